"""Several beds together: each arm's mean difference from random over them, the beds being fixed."""

from collections.abc import Sequence
from dataclasses import dataclass

from spice_select.comparison.judged_set import JudgedSet
from spice_select.comparison.records import tokens_apart
from spice_select.comparison.statistics import CrossedEstimate, Verdict, holm, over_beds, verdict, why_not_judged
from spice_select.comparison.terms import Terms


@dataclass(frozen=True, eq=False)
class OverallArm:
    """An arm over all beds; `apart` is of the bed whose tokens are farthest from random's."""

    arm: str
    seeds: tuple[int, ...]
    apart: float
    difference: CrossedEstimate
    p: float
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Overall:
    """What holds of these beds together, each judged on its set of the same name."""

    beds: tuple[str, ...]
    held: str
    budget: float | None
    arms: tuple[OverallArm, ...]
    left_out: tuple[str, ...]


def judge_overall(group: Sequence[JudgedSet], terms: Terms) -> Overall:
    """The mean over beds of one held-out set and budget; arms that a bed lacks, or shares no two seeds of, are named.

    Raises:
        InputError: sources of a single row, where the endpoint needs two.
    """
    beds = [one.bed for one in group]
    names = list(dict.fromkeys(arm for bed in beds for arm in bed.arms if terms.claims(arm)))
    seeds = {arm: sorted(set.intersection(*(set(bed.shared(arm, terms.control)) for bed in beds))) for arm in names}
    told = [arm for arm in names if len(seeds[arm]) > 1]
    found = {}
    for arm in told:
        asked = [(one.bed, one.compared.terms.endpoint) for one in group]
        lines = [bed.differences(terms.control, arm, seeds[arm], endpoint) for bed, endpoint in asked]
        found[arm] = over_beds(lines, [bed.strata(endpoint) for bed, endpoint in asked])
    adjusted = holm([estimate.p() for estimate in found.values()] + [1.0] * (len(names) - len(told)))
    arms = []
    for arm, p in zip(told, adjusted, strict=False):
        runs = [[[bed.arms[one][seed] for seed in seeds[arm]] for one in (arm, terms.control)] for bed in beds]
        apart = max((tokens_apart(*pair) for pair in runs), key=abs)
        refused = why_not_judged(len(seeds[arm]), apart)
        word = (
            Verdict("no verdict", refused)
            if refused
            else verdict(found[arm], p, margin=terms.margin, family=len(names), alpha=terms.alpha)
        )
        arms.append(OverallArm(arm, tuple(seeds[arm]), apart, found[arm], p, word))
    return Overall(
        beds=tuple(bed.name for bed in beds),
        held=beds[0].held,
        budget=beds[0].budget,
        arms=tuple(sorted(arms, key=lambda one: -one.difference.mean)),
        left_out=tuple(arm for arm in names if arm not in told),
    )
