"""The runs of one bed and budget on one held-out set, side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spice_select.comparison.records import ArmRun, Held
from spice_select.comparison.statistics import CrossedEstimate, Endpoint, Strata, crossed
from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix


@dataclass(frozen=True, eq=False)
class Bed:
    """The runs of one bed and budget, judged on one held-out set: arm → seed → record."""

    name: str
    held: str
    arms: dict[str, dict[int, ArmRun]]
    budget: float | None = None
    given: str = "tokens"
    """What `budget` is a share of."""

    @property
    def title(self) -> str:
        """For people."""
        budget = "" if self.budget is None else f" at {100 * self.budget:.3g} % of the {self.given}"
        return f"{self.name}{budget}, judged on {self.held}"

    @property
    def task(self) -> bool:
        """Whether its rows are a task's items, judged by their gold answers."""
        runs = (run for own in self.arms.values() for run in own.values())
        return next(runs).on(self.held).task

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

    def contributions(self, arm: str, seeds: Sequence[int], endpoint: Endpoint) -> Matrix:
        """``[S, R]``: what each held-out row contributes to the endpoint, a line a seed."""
        held = self.judged(arm)
        return np.array([endpoint.contributions(held[seed].sums, held[seed]) for seed in seeds])

    def differences(self, arm: str, other: str, seeds: Sequence[int], endpoint: Endpoint) -> Matrix:
        """``[S, R]`` of `arm` minus `other`, paired by seed and by row."""
        return self.contributions(arm, seeds, endpoint) - self.contributions(other, seeds, endpoint)

    def difference(self, arm: str, other: str, seeds: Sequence[int], endpoint: Endpoint) -> CrossedEstimate:
        """The mean of `differences`, and how sure it is."""
        return crossed(self.differences(arm, other, seeds, endpoint), self.strata(endpoint))

    def strata(self, endpoint: Endpoint) -> Strata | None:
        """The part of the endpoint that each held-out row stands for; see `Endpoint.strata`."""
        return endpoint.strata(next(iter(self.judged(next(iter(self.arms))).values())))


def beds(records: Sequence[ArmRun]) -> list[Bed]:
    """The records by bed, budget and held-out set, in order of appearance.

    Runs of no budget stand in each set of their bed that runs of a budget were judged on.

    Raises:
        InputError: two records of one run, or runs of a bed that were judged on different rows.
    """
    first: dict[tuple[str, str], ArmRun] = {}
    grouped: dict[tuple[str, float | None, str], Bed] = {}
    budgeted = {record.bed for record in records if record.budget is not None}
    joining = []
    for record in records:
        _check_rows(record, first)
        if record.budget is None and record.bed in budgeted:
            joining.append(record)
            continue
        for held in record.held:
            key = (record.bed, record.budget, held.name)
            _add(record, grouped.setdefault(key, Bed(record.bed, held.name, {}, record.budget)))
    for record in joining:
        names = {held.name for held in record.held}
        for bed in grouped.values():
            if bed.name == record.bed and bed.held in names:
                _add(record, bed)
    return list(grouped.values())


def _add(record: ArmRun, bed: Bed) -> None:
    runs = bed.arms.setdefault(record.arm, {})
    if record.seed in runs:
        raise InputError(f"{record}, judged on {bed.held}: is there twice. Keep one of the two.")
    runs[record.seed] = record


def _check_rows(record: ArmRun, first: dict[tuple[str, str], ArmRun]) -> None:
    """Every run of a bed was judged on the rows that its `first` one was."""
    for held in record.held:
        before = first.setdefault((record.bed, held.name), record)
        if not held.same_rows(before.on(held.name)):
            raise InputError(
                f"{record}: other held-out rows, sources or tokens in {held.name} than {before}. A comparison pairs by "
                "row: judge both on the same ones."
            )
