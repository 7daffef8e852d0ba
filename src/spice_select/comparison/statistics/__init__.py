"""Paired differences with an interval that knows of both seeds and rows, and what may be said after many of them."""

from spice_select.comparison.statistics.bootstrap import crossed_bootstrap
from spice_select.comparison.statistics.crossed import CrossedEstimate, Strata, crossed, over_beds
from spice_select.comparison.statistics.endpoints import Endpoint, LossPerToken, MacroOverSources, MeanOfRows
from spice_select.comparison.statistics.families import best_by_luck, holm, simultaneous_level
from spice_select.comparison.statistics.improvement import probability_of_improvement
from spice_select.comparison.statistics.power import control_seeds, detectable, needed_seeds, power_of
from spice_select.comparison.statistics.ratios import Ratio, ratio
from spice_select.comparison.statistics.verdicts import Equivalence, Verdict, equivalence, verdict, why_not_judged

__all__ = [
    "CrossedEstimate",
    "Endpoint",
    "Equivalence",
    "LossPerToken",
    "MacroOverSources",
    "MeanOfRows",
    "Ratio",
    "Strata",
    "Verdict",
    "best_by_luck",
    "control_seeds",
    "crossed",
    "crossed_bootstrap",
    "detectable",
    "equivalence",
    "holm",
    "needed_seeds",
    "over_beds",
    "power_of",
    "probability_of_improvement",
    "ratio",
    "simultaneous_level",
    "verdict",
    "why_not_judged",
]
