"""Every arm of a bed beside random, seed by seed and row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spice_select.comparison.records import ArmRun, Held, tokens_apart
from spice_select.comparison.statistics import (
    CrossedEstimate,
    Endpoint,
    LossPerToken,
    Ratio,
    Verdict,
    crossed,
    crossed_bootstrap,
    holm,
    ratio,
    simultaneous_level,
    verdict,
    why_not_judged,
)
from spice_select.errors import InputError


@dataclass(frozen=True)
class Terms:
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
    """The runs of one bed and budget, judged on one held-out set: arm → seed → record."""

    name: str
    held: str
    arms: dict[str, dict[int, ArmRun]]
    budget: float | None = None

    @property
    def title(self) -> str:
        """For people."""
        budget = "" if self.budget is None else f" at {self.budget:.3g} of the tokens"
        return f"{self.name}{budget}, judged on {self.held}"

    def judged(self, arm: str) -> dict[int, Held]:
        """Seed → the losses of an arm; nothing for an arm that did not run."""
        return {seed: run.on(self.held) for seed, run in self.arms.get(arm, {}).items()}

    def loss(self, arm: str, endpoint: Endpoint) -> float:
        """Mean over the arm's seeds; NaN for an arm that did not run."""
        values = [endpoint.value(held) for held in self.judged(arm).values()]
        return float(np.mean(values)) if values else math.nan

    def shared(self, *arms: str) -> list[int]:
        """Seeds that all of `arms` ran with, in order."""
        return sorted(set.intersection(*(set(self.arms.get(arm, {})) for arm in arms)))

    def contributions(self, arm: str, seeds: Sequence[int], endpoint: Endpoint) -> NDArray[np.float64]:
        """``[S, R]``: what each held-out row contributes to the endpoint, a line a seed."""
        held = self.judged(arm)
        return np.array([endpoint.contributions(held[seed].sums, held[seed]) for seed in seeds])

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
    difference: CrossedEstimate | None
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
    terms: Terms
    family: int
    untuned: float
    control: Comparison
    arms: tuple[Comparison, ...]


def beds(records: Sequence[ArmRun]) -> list[Bed]:
    """The records by bed, budget and held-out set, in order of appearance; runs of no budget stand in all of a bed.

    Raises:
        InputError: two records of one run, or runs of a bed that were judged on different rows.
    """
    budgets: dict[str, dict[float | None, None]] = {}
    for record in records:
        budgets.setdefault(record.bed, {})[record.budget] = None
    grouped: dict[tuple[str, float | None, str], Bed] = {}
    first: dict[tuple[str, str], ArmRun] = {}
    for record in records:
        _check_rows(record, first)
        for budget in _stands_in(record, list(budgets[record.bed])):
            for held in record.held:
                key = (record.bed, budget, held.name)
                bed = grouped.setdefault(key, Bed(record.bed, held.name, {}, budget))
                runs = bed.arms.setdefault(record.arm, {})
                if record.seed in runs:
                    raise InputError(f"{record}, judged on {held.name}: is there twice. Keep one of the two.")
                runs[record.seed] = record
    return list(grouped.values())


def _stands_in(record: ArmRun, budgets: list[float | None]) -> list[float | None]:
    if record.budget is not None or budgets == [None]:
        return [record.budget]
    return [budget for budget in budgets if budget is not None]


def _check_rows(record: ArmRun, first: dict[tuple[str, str], ArmRun]) -> None:
    """Every run of a bed was judged on the rows that its `first` one was."""
    for held in record.held:
        before = first.setdefault((record.bed, held.name), record)
        if not held.same_rows(before.on(held.name)):
            raise InputError(
                f"{record}: other held-out rows, sources or tokens in {held.name} than {before}. A comparison pairs by "
                "row: judge both on the same ones."
            )


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
        arms=tuple(sorted(arms, key=lambda one: -one.difference.mean if one.difference else math.inf)),
    )


def _difference(bed: Bed, arm: str, terms: Terms) -> CrossedEstimate | None:
    seeds = bed.shared(arm, terms.control)
    return crossed(bed.differences(terms.control, arm, seeds, terms.endpoint)) if len(seeds) > 1 else None


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
        bootstrap=crossed_bootstrap(values) if difference else None,
        simultaneous=difference.interval(level) if difference and terms.claims(arm) else None,
        p=p,
        recovered=_recovered(bed, arm, terms) if difference else None,
        way=_way(bed, arm, terms) if difference else None,
        bad=_bad(runs),
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
    return ratio(gain, untuned - bed.contributions(terms.control, seeds, terms.endpoint))


def _way(bed: Bed, arm: str, terms: Terms) -> Ratio | None:
    seeds = bed.shared(arm, terms.control, terms.clean)
    if arm == terms.clean or len(seeds) < 2:
        return None
    gain, whole = (bed.differences(terms.control, one, seeds, terms.endpoint) for one in (arm, terms.clean))
    return ratio(gain, whole)


def _bad(runs: dict[int, ArmRun]) -> float | None:
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
    difference: CrossedEstimate

    def passed(self, alpha: float = 0.05) -> bool:
        """No difference was found, as there is none; α of such checks fail all the same."""
        return self.difference.p() >= alpha


def null_check(bed: Bed, terms: Terms | None = None) -> NullCheck:
    """The control's seeds split in two: the first half paired with the second, in order; an odd last one is left out.

    Raises:
        InputError: fewer than four seeds of the control.
    """
    terms = terms or Terms()
    seeds = bed.shared(terms.control)
    half = len(seeds) // 2
    if half < 2:
        raise InputError(f"{bed.name}: {len(seeds)} seeds of {terms.control!r}; two halves need four. Run more seeds.")
    first, second = seeds[:half], seeds[half : 2 * half]
    values = [bed.contributions(terms.control, part, terms.endpoint) for part in (first, second)]
    return NullCheck(bed.name, tuple(first), tuple(second), tuple(seeds[2 * half :]), crossed(values[0] - values[1]))
