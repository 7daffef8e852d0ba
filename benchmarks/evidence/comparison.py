"""Every arm of a bed beside random, seed by seed and row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from benchmarks.evidence.records import Record, tokens_apart
from benchmarks.evidence.statistics import (
    Endpoint,
    Estimate,
    LossPerToken,
    Ratio,
    Verdict,
    crossed,
    crossed_bootstrap,
    holm,
    ratio,
    refusal,
    simultaneous_level,
    verdict,
)
from numpy.typing import NDArray

from spice_select.errors import InputError


@dataclass(frozen=True)
class Plan:
    """What is fixed before the first result is seen.

    Attributes:
        endpoint: what a run is judged by.
        margin: the difference, in nats, below which arms are equal for all that matters.
        alpha: familywise error, over the arms of a bed.
        control: the arm that others are compared with.
        untuned: the arm of the model as it came.
        clean: the arm that draws at random among the rows that are not spoilt.
        references: arms that are shown, but about which nothing is claimed: they are not of the family. `clean` is one.
    """

    endpoint: Endpoint = field(default_factory=LossPerToken)
    margin: float = 0.01
    alpha: float = 0.05
    control: str = "random"
    untuned: str = "untuned"
    clean: str = "clean-random"
    references: frozenset[str] = frozenset()

    def claims(self, arm: str) -> bool:
        """Whether something is claimed of `arm`, which then counts in the family."""
        return arm not in {self.control, self.untuned, self.clean} | self.references


@dataclass(frozen=True, eq=False)
class Bed:
    """The runs of one bed that were judged on one held-out set: arm → seed → record."""

    name: str
    held: str
    arms: dict[str, dict[int, Record]]

    def loss(self, arm: str, endpoint: Endpoint) -> float:
        """Mean over the arm's seeds; NaN for an arm that did not run."""
        runs = self.arms.get(arm, {})
        return float(np.mean([endpoint.value(run.held) for run in runs.values()])) if runs else math.nan

    def shared(self, *arms: str) -> list[int]:
        """Seeds that all of `arms` ran with, in order."""
        return sorted(set.intersection(*(set(self.arms.get(arm, {})) for arm in arms)))

    def contributions(self, arm: str, seeds: Sequence[int], endpoint: Endpoint) -> NDArray[np.float64]:
        """``[S, R]``: what each held-out row contributes to the endpoint, a line a seed."""
        held = [self.arms[arm][seed].held for seed in seeds]
        return np.array([endpoint.contributions(one.sums, one) for one in held])

    def differences(self, arm: str, other: str, seeds: Sequence[int], endpoint: Endpoint) -> NDArray[np.float64]:
        """``[S, R]`` of `arm` minus `other`, paired by seed and by row."""
        return self.contributions(arm, seeds, endpoint) - self.contributions(other, seeds, endpoint)


@dataclass(frozen=True, eq=False)
class Comparison:
    """One arm beside random. Differences are random − arm: positive is better.

    Attributes:
        seeds: what it shares with random; `left_out` are its seeds that random lacks.
        subsets: how many different sets of rows its seeds chose; one means that only the tuning varied.
        rows, supervised: means over all its runs.
        apart: by what share its supervised tokens differ from random's, over the shared seeds.
        loss: mean over all its seeds.
        difference: over the shared seeds; None with fewer than two. `by_seed` is ``[S]``.
        bootstrap: the crossed bootstrap's 95 % interval of the difference, a check of the closed form.
        simultaneous: the interval that covers together with those of the other arms.
        p: Holm's, over the arms of the bed; None for a reference.
        recovered: R, the difference as a share of what random gains over the untuned model.
        way: the difference as a share of the way from random to random among the rows that are not spoilt.
        bad: the share of spoilt rows among its picks; None where it is not known.
    """

    arm: str
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    subsets: int
    rows: float
    supervised: float
    apart: float
    loss: float
    difference: Estimate | None
    by_seed: tuple[float, ...]
    bootstrap: tuple[float, float] | None
    simultaneous: tuple[float, float] | None
    p: float | None
    recovered: Ratio | None
    way: Ratio | None
    bad: float | None
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Compared:
    """A bed's arms beside its random: control first, then by difference, the best first."""

    bed: Bed
    plan: Plan
    family: int
    untuned: float
    control: Comparison
    arms: tuple[Comparison, ...]


def beds(records: Sequence[Record]) -> list[Bed]:
    """The records by bed and held-out set, in order of appearance.

    Raises:
        InputError: two records of one run, or runs of a bed that were judged on different rows.
    """
    grouped: dict[tuple[str, str], Bed] = {}
    first: dict[tuple[str, str], Record] = {}
    for record in records:
        key = (record.bed, record.held.name)
        bed = grouped.setdefault(key, Bed(record.bed, record.held.name, {}))
        if not record.held.same_rows(first.setdefault(key, record).held):
            raise InputError(
                f"{record}: other held-out rows, sources or tokens than {first[key]}. A comparison pairs by row: judge "
                "both on the same ones."
            )
        runs = bed.arms.setdefault(record.arm, {})
        if record.seed in runs:
            raise InputError(f"{record}: is there twice. Keep one of the two.")
        runs[record.seed] = record
    return list(grouped.values())


def compare(records: Sequence[Record], plan: Plan | None = None) -> list[Compared]:
    """Each bed of `records`, all of its arms beside its random.

    Raises:
        InputError: a bed without random, or what `beds` does not take.
    """
    return [compare_bed(bed, plan or Plan()) for bed in beds(records)]


def compare_bed(bed: Bed, plan: Plan) -> Compared:
    """The arms of one bed; the family is the arms of which something is claimed, with or without a verdict."""
    if plan.control not in bed.arms:
        raise InputError(f"{bed.name}: has no runs of {plan.control!r}, only of {sorted(bed.arms)}. Run it first.")
    others = [arm for arm in bed.arms if arm not in (plan.control, plan.untuned)]
    found = {arm: _difference(bed, arm, plan) for arm in others}
    family = [arm for arm in others if plan.claims(arm)]
    tested = {arm: estimate for arm in family if (estimate := found[arm]) is not None}
    # an arm that cannot be tested still counts: leaving it out would favour the others
    adjusted = holm([estimate.p() for estimate in tested.values()] + [1.0] * (len(family) - len(tested)))
    ps = dict(zip(tested, adjusted, strict=False))
    arms = [_comparison(bed, arm, plan, found[arm], ps.get(arm), len(family)) for arm in others]
    return Compared(
        bed=bed,
        plan=plan,
        family=len(family),
        untuned=bed.loss(plan.untuned, plan.endpoint),
        control=_comparison(bed, plan.control, plan, None, None, len(family)),
        arms=tuple(sorted(arms, key=lambda one: -one.difference.mean if one.difference else math.inf)),
    )


def _difference(bed: Bed, arm: str, plan: Plan) -> Estimate | None:
    seeds = bed.shared(arm, plan.control)
    return crossed(bed.differences(plan.control, arm, seeds, plan.endpoint)) if len(seeds) > 1 else None


def _comparison(
    bed: Bed, arm: str, plan: Plan, difference: Estimate | None, p: float | None, family: int
) -> Comparison:
    runs, seeds = bed.arms[arm], bed.shared(arm, plan.control)
    ours, theirs = ([bed.arms[one][seed] for seed in seeds] for one in (arm, plan.control))
    apart = tokens_apart(ours, theirs)
    values = bed.differences(plan.control, arm, seeds, plan.endpoint)
    level = simultaneous_level(plan.alpha, family)
    return Comparison(
        arm=arm,
        seeds=tuple(seeds),
        left_out=tuple(sorted(set(runs) - set(seeds))),
        subsets=len({frozenset(run.selection.rows) for run in runs.values()}),
        rows=float(np.mean([len(run.selection.rows) for run in runs.values()])),
        supervised=float(np.mean([run.selection.supervised for run in runs.values()])),
        apart=apart,
        loss=bed.loss(arm, plan.endpoint),
        difference=difference,
        by_seed=tuple(values.mean(axis=1).tolist()) if seeds else (),
        bootstrap=crossed_bootstrap(values) if difference else None,
        simultaneous=difference.interval(level) if difference and plan.claims(arm) else None,
        p=p,
        recovered=_recovered(bed, arm, plan) if difference else None,
        way=_way(bed, arm, plan) if difference else None,
        bad=_bad(runs),
        verdict=_verdict(arm, plan, difference, p, refusal(len(seeds), apart), family),
    )


def _verdict(
    arm: str, plan: Plan, difference: Estimate | None, p: float | None, refused: str | None, family: int
) -> Verdict:
    if not plan.claims(arm):
        return Verdict("no verdict", "a reference")
    if refused or difference is None or p is None:
        return Verdict("no verdict", refused or "no difference to judge")
    return verdict(difference, p, margin=plan.margin, family=family, alpha=plan.alpha)


def _recovered(bed: Bed, arm: str, plan: Plan) -> Ratio | None:
    """R; the untuned model is one run, and stands beside every seed."""
    if plan.untuned not in bed.arms:
        return None
    seeds = bed.shared(arm, plan.control)
    gain = bed.differences(plan.control, arm, seeds, plan.endpoint)
    untuned = bed.contributions(plan.untuned, sorted(bed.arms[plan.untuned])[:1], plan.endpoint)
    return ratio(gain, untuned - bed.contributions(plan.control, seeds, plan.endpoint))


def _way(bed: Bed, arm: str, plan: Plan) -> Ratio | None:
    seeds = bed.shared(arm, plan.control, plan.clean)
    if arm == plan.clean or len(seeds) < 2:
        return None
    gain, whole = (bed.differences(plan.control, one, seeds, plan.endpoint) for one in (arm, plan.clean))
    return ratio(gain, whole)


def _bad(runs: dict[int, Record]) -> float | None:
    shares = [
        run.selection.bad / len(run.selection.rows)
        for run in runs.values()
        if run.selection.bad is not None and run.selection.rows
    ]
    return float(np.mean(shares)) if shares else None


@dataclass(frozen=True)
class NullCheck:
    """Random against random (A/A): what the comparison says where there is nothing to find."""

    bed: str
    first: tuple[int, ...]
    second: tuple[int, ...]
    left_out: tuple[int, ...]
    difference: Estimate

    def passed(self, alpha: float = 0.05) -> bool:
        """No difference was found, as there is none; α of such checks fail all the same."""
        return self.difference.p() >= alpha


def null_check(bed: Bed, plan: Plan | None = None) -> NullCheck:
    """The control's seeds split in two: the first half paired with the second, in order; an odd last one is left out.

    Raises:
        InputError: fewer than four seeds of the control.
    """
    plan = plan or Plan()
    seeds = bed.shared(plan.control)
    half = len(seeds) // 2
    if half < 2:
        raise InputError(f"{bed.name}: {len(seeds)} seeds of {plan.control!r}; two halves need four. Run more seeds.")
    first, second = seeds[:half], seeds[half : 2 * half]
    values = [bed.contributions(plan.control, part, plan.endpoint) for part in (first, second)]
    return NullCheck(bed.name, tuple(first), tuple(second), tuple(seeds[2 * half :]), crossed(values[0] - values[1]))
