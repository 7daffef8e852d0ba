"""Every arm of a bed beside random, seed by seed and row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spice_select.comparison.bed import Bed, beds
from spice_select.comparison.records import ArmRun, tokens_apart
from spice_select.comparison.statistics import (
    CrossedEstimate,
    Ratio,
    Verdict,
    crossed_bootstrap,
    holm,
    probability_of_improvement,
    ratio,
    simultaneous_level,
    verdict,
    why_not_judged,
)
from spice_select.comparison.terms import Terms
from spice_select.errors import InputError


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
        improvement: the share of pairs of a run of the arm and one of random that the arm's wins.
        seconds, flops: of its choice and its tuning, a run; None where FLOPs were not counted.
    """

    arm: str
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    subsets: int
    rows: float
    supervised: float
    apart: float
    loss: float
    difference: CrossedEstimate | None
    by_seed: tuple[float, ...]
    bootstrap: tuple[float, float] | None
    simultaneous: tuple[float, float] | None
    p: float | None
    recovered: Ratio | None
    way: Ratio | None
    bad: float | None
    improvement: float
    seconds: float
    flops: float | None
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Compared:
    """A bed's arms beside its random: control first, then by difference, the best first."""

    bed: Bed
    terms: Terms
    family: int
    untuned: float
    control: Comparison
    arms: tuple[Comparison, ...]


def compare_beds(records: Sequence[ArmRun], terms: Terms | None = None) -> list[Compared]:
    """Each bed of `records`, all of its arms beside its random.

    Raises:
        InputError: a bed without random, or what `beds` does not take.
    """
    return [compare_bed(bed, terms or Terms()) for bed in beds(records)]


def compare_bed(bed: Bed, terms: Terms) -> Compared:
    """The arms of one bed; the family is the arms of which something is claimed, with or without a verdict."""
    if terms.control not in bed.arms:
        raise InputError(f"{bed.name}: has no runs of {terms.control!r}, only of {sorted(bed.arms)}. Run it first.")
    others = [arm for arm in bed.arms if arm not in (terms.control, terms.untuned)]
    found = {arm: _difference(bed, arm, terms) for arm in others}
    family = [arm for arm in others if terms.claims(arm)]
    tested = {arm: estimate for arm in family if (estimate := found[arm]) is not None}
    # an arm that cannot be tested still counts: leaving it out would favour the others
    adjusted = holm([estimate.p() for estimate in tested.values()] + [1.0] * (len(family) - len(tested)))
    ps = dict(zip(tested, adjusted, strict=False))
    arms = [_comparison(bed, arm, terms, found[arm], ps.get(arm), len(family)) for arm in others]
    return Compared(
        bed=bed,
        terms=terms,
        family=len(family),
        untuned=bed.loss(terms.untuned, terms.endpoint),
        control=_comparison(bed, terms.control, terms, None, None, len(family)),
        arms=tuple(sorted(arms, key=lambda one: (-one.difference.mean if one.difference else math.inf, one.arm))),
    )


def _difference(bed: Bed, arm: str, terms: Terms) -> CrossedEstimate | None:
    seeds = bed.shared(arm, terms.control)
    return bed.difference(terms.control, arm, seeds, terms.endpoint) if len(seeds) > 1 else None


def _comparison(
    bed: Bed, arm: str, terms: Terms, difference: CrossedEstimate | None, p: float | None, family: int
) -> Comparison:
    runs, seeds = bed.arms[arm], bed.shared(arm, terms.control)
    ours, theirs = ([bed.arms[one][seed] for seed in seeds] for one in (arm, terms.control))
    apart = tokens_apart(ours, theirs)
    values = bed.differences(terms.control, arm, seeds, terms.endpoint)
    level = simultaneous_level(terms.alpha, family)
    return Comparison(
        arm=arm,
        seeds=tuple(seeds),
        left_out=tuple(sorted(set(runs) - set(seeds))),
        subsets=len({frozenset(run.selection.rows) for run in runs.values()}),
        rows=float(np.mean([len(run.selection.rows) for run in runs.values()])),
        supervised=float(np.mean([run.selection.supervised for run in runs.values()])),
        apart=apart,
        loss=bed.loss(arm, terms.endpoint),
        difference=difference,
        by_seed=tuple(values.mean(axis=1).tolist()) if seeds else (),
        bootstrap=crossed_bootstrap(values) if difference and terms.claims(arm) else None,
        simultaneous=difference.interval(level) if difference and terms.claims(arm) else None,
        p=p,
        recovered=_recovered(bed, arm, terms) if difference else None,
        way=_way(bed, arm, terms) if difference else None,
        bad=_bad(runs),
        improvement=probability_of_improvement(*(_losses(bed, one, terms) for one in (arm, terms.control))),
        seconds=float(np.mean([run.seconds for run in runs.values()])),
        flops=_flops(runs),
        verdict=_verdict(arm, terms, difference, p, why_not_judged(len(seeds), apart), family),
    )


def _verdict(
    arm: str, terms: Terms, difference: CrossedEstimate | None, p: float | None, refused: str | None, family: int
) -> Verdict:
    if not terms.claims(arm):
        return Verdict("no verdict", "a reference")
    if refused or difference is None or p is None:
        return Verdict("no verdict", refused or "no difference to judge")
    return verdict(difference, p, margin=terms.margin, family=family, alpha=terms.alpha)


def _recovered(bed: Bed, arm: str, terms: Terms) -> Ratio | None:
    """R; the untuned model is one run, and stands beside every seed."""
    if terms.untuned not in bed.arms:
        return None
    seeds = bed.shared(arm, terms.control)
    gain = bed.differences(terms.control, arm, seeds, terms.endpoint)
    untuned = bed.contributions(terms.untuned, sorted(bed.arms[terms.untuned])[:1], terms.endpoint)
    whole = untuned - bed.contributions(terms.control, seeds, terms.endpoint)
    return ratio(gain, whole, bed.strata(terms.endpoint))


def _way(bed: Bed, arm: str, terms: Terms) -> Ratio | None:
    seeds = bed.shared(arm, terms.control, terms.clean)
    if arm == terms.clean or len(seeds) < 2:
        return None
    gain, whole = (bed.differences(terms.control, one, seeds, terms.endpoint) for one in (arm, terms.clean))
    return ratio(gain, whole, bed.strata(terms.endpoint))


def _losses(bed: Bed, arm: str, terms: Terms) -> list[float]:
    return [terms.endpoint.value(held) for held in bed.judged(arm).values()]


def _flops(runs: dict[int, ArmRun]) -> float | None:
    counted = [run.flops for run in runs.values() if run.flops is not None]
    return float(np.mean(counted)) if len(counted) == len(runs) else None


def _bad(runs: dict[int, ArmRun]) -> float | None:
    shares = [
        run.selection.bad / len(run.selection.rows)
        for run in runs.values()
        if run.selection.bad is not None and run.selection.rows
    ]
    return float(np.mean(shares)) if shares else None
