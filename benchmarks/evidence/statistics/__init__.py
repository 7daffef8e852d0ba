"""Paired differences with an interval that knows of both seeds and rows, and what may be said after many of them."""

from benchmarks.evidence.statistics.bootstrap import crossed_bootstrap
from benchmarks.evidence.statistics.crossed import Estimate, crossed, over_beds
from benchmarks.evidence.statistics.endpoints import Endpoint, LossPerToken, MacroOverSources, MeanOfRows
from benchmarks.evidence.statistics.families import holm, simultaneous_level
from benchmarks.evidence.statistics.power import detectable, needed_seeds, power_of
from benchmarks.evidence.statistics.ranks import Correlation, spearman
from benchmarks.evidence.statistics.ratios import Ratio, ratio
from benchmarks.evidence.statistics.verdicts import Equivalence, Verdict, equivalence, refusal, verdict

__all__ = [
    "Correlation",
    "Endpoint",
    "Equivalence",
    "Estimate",
    "LossPerToken",
    "MacroOverSources",
    "MeanOfRows",
    "Ratio",
    "Verdict",
    "crossed",
    "crossed_bootstrap",
    "detectable",
    "equivalence",
    "holm",
    "needed_seeds",
    "over_beds",
    "power_of",
    "ratio",
    "refusal",
    "simultaneous_level",
    "spearman",
    "verdict",
]
