"""Some of the rows, and what each would take from the variances sought: what a leader that foresees asks of a shard."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix
from spice_select.selection.objectives.drop_worth import DropWorth
from spice_select.selection.objectives.reaches import Reaches
from spice_select.selection.partitioned.foretelling import Ahead, Climb, Past, SoughtTerms
from spice_select.selection.paths.blocked.contenders import highest
from spice_select.selection.paths.ledger import TIE


@dataclass(frozen=True, kw_only=True, eq=False)
class AheadOfRows:
    """What rows, counted from the shard's first, come to: see `Foretold`."""

    best: list[Climb]
    leading: NDArray[np.int64]
    evaluated: int


class SoughtRows:
    """The rows `first` … of a shard, in a run that began.

    A pick is told before it is known to be made. So what the rows were before the first pick told is kept, and brought
    up to those that were made with the next question.

    Memory: 4 + 2q numbers a row, and (1 + q)·count products; rows in the span of a target, where there is one.
    """

    def __init__(self, rows: Matrix, first: int, terms: SoughtTerms) -> None:
        self._first, self._prices = first, terms.prices
        self._reaches = Reaches(terms.sought.seen(rows), terms.sought.spreads, terms.alpha)
        self.alone = self._reaches.gains(slice(None), terms.sought.worth)
        self._open = np.ones(len(rows), dtype=bool)
        self._open[terms.hidden - first] = False
        if terms.root is not None:
            self._reaches.take_anew(*terms.root)
        self._told: Ahead | None = None
        self._keep()

    def foresee(self, past: Past, ahead: Ahead) -> AheadOfRows:
        """What the rows come to if all picks ahead are made. 2(1 + q)·count·nd flops, and O(nq) for each."""
        self._settle(past)
        self._keep()
        self._told = ahead
        if ahead.steps:
            self._reaches.read(ahead.vectors)
        gains = self._gains(ahead.worth)
        best = [self._climb(gains)]
        before, _ = highest(self._scores(gains), ahead.size)
        for at, step in enumerate(ahead.steps):
            self._make(at)
            gains = self._gains(step.worth)
            best.append(self._climb(gains))
        after, _ = highest(self._scores(gains), ahead.size)
        return AheadOfRows(best=best, leading=np.union1d(before, after), evaluated=len(gains) * len(best))

    def _settle(self, past: Past) -> None:
        """Take back the picks that were told and not made. Who was told nothing stands where these brought P."""
        told = self._told
        if told is not None and past.taken < len(told.steps):
            self._reaches.leverage, self._reaches.reach, self._open = self._kept
            for at in range(past.taken):
                self._make(at)
        if past.root is not None:
            self._reaches.take_anew(*past.root)

    def _keep(self) -> None:
        self._kept = self._reaches.leverage, self._reaches.reach, self._open
        self._open = self._open.copy()

    def _make(self, at: int) -> None:
        """One of the picks told."""
        assert self._told is not None, "nothing was told"
        step = self._told.steps[at]
        self._reaches.lower(at, step.beta)
        self._open[step.hidden - self._first] = False
        self._open[step.shown - self._first] = True

    def _gains(self, worth: DropWorth) -> NDArray[np.float64]:
        return self._reaches.gains(slice(None), worth)

    def _scores(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = gains.copy() if self._prices is None else gains / self._prices
        scores[~self._open] = -np.inf
        return scores

    def _climb(self, gains: NDArray[np.float64]) -> Climb:
        scores = self._scores(gains)
        at = int(np.argmax(scores))
        top = scores[at]
        tied = np.flatnonzero(scores >= top - TIE * abs(top)) if np.isfinite(top) else np.array([at])
        tied = tied[: 0 if top == -np.inf else len(tied)]
        before = np.concatenate([[-np.inf], np.maximum.accumulate(scores[tied])[:-1]])[: len(tied)]
        rows = tied[~(scores[tied] <= before)]
        return Climb(rows=rows + self._first, gains=gains[rows])
