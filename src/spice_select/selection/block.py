"""The inner loop of the blocked path: picks among a few rows by their Gram matrix, conditioned on each pick."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.problem import TIE, lowest_twin

if TYPE_CHECKING:
    from spice_select.selection.blocked import BlockedRun

NOISE = 8 * float(np.finfo(np.float64).eps)  # error of ‖xL‖² within a block, relative to its value at the start


class Block:
    """p rows, whitened by the picks so far, in float64; `out` bounds the score of every open row outside.

    With K = YYᵀ and each pick s: e = (K_s − C_sᵀC)·√(α/(1+αr_s)) is what the pick takes, r falls by e², and e becomes a
    row of C.
    """

    def __init__(self, run: BlockedRun, rows: NDArray[np.int64], out: float) -> None:
        self._run, self._rows, self._out = run, rows, out
        self._X = run.problem.features.rows(rows)
        self._Y = run.root.whiten(self._X)
        self._K = self._Y @ self._Y.T
        self._start = self._K.diagonal().copy()
        self._r = self._start.copy()
        self._C = np.empty((min(len(rows), run.problem.k - len(run.ledger.rows)), len(rows)))
        self._picked: list[int] = []
        self._open = np.ones(len(rows), dtype=bool)
        self._divisors = run.problem.divisors(rows)
        run.evaluations += len(rows)
        if run.eta is not None:
            self._Q = self._X @ self._X.T
            self._dots = self._X @ run.total
            self._lengths = np.sqrt(self._Q.diagonal())
            self._total = run.total.copy()

    def pick(self) -> int:
        """Pick until the best no longer beats the bound outside or the run ends; returns how many were picked."""
        ledger = self._run.ledger
        while not ledger.finished():
            at = self._winner()
            if at is None:
                break
            gain, penalty = math.log1p(self._run.alpha * self._r[at]), self._penalty(at)
            if ledger.refuses(gain, penalty):
                break
            self._take(at, self._lowest_twin(at), gain, penalty)
        return self._fold()

    def take_all(self) -> None:
        """Pick every row in order, whatever its score."""
        for at, row in enumerate(self._rows.tolist()):
            self._take(at, row, math.log1p(self._run.alpha * self._r[at]), self._penalty(at))
        self._fold()

    def _winner(self) -> int | None:
        """Position of the next pick; None if the block must end first."""
        run, alpha = self._run, self._run.alpha
        gains = np.log1p(alpha * self._r)
        if run.eta is None:
            scores = sizes = gains
        else:
            weighted = run.problem.weight * self._penalties()
            scores, sizes = gains - weighted, gains + weighted
        if run.problem.per_cost:
            scores, sizes = scores / self._divisors, sizes / self._divisors
        scores = np.where(self._open, scores, -np.inf)
        best = int(scores.argmax())
        least = float(scores[best] - TIE * sizes[best])
        if not self._open[best] or least < self._bound_outside():
            return None
        tied = (scores >= least).nonzero()[0]
        if self._picked and NOISE * alpha * self._start[tied].max() > TIE * (1 + alpha * self._r[best]):
            return None  # too little is left of what these rows carried at the start: whiten afresh
        return int(tied[0] if len(tied) == 1 else tied[self._rows[tied].argmin()])

    def _bound_outside(self) -> float:
        """No open row outside scores more: its conflict cannot have fallen further than the mean has turned."""
        run = self._run
        if run.eta is None or not self._picked or self._out == -np.inf:
            return self._out
        drift = run.problem.weight * run.bounds.drift(run.total, self._total)
        costs = run.problem.constraints.costs
        return self._out + (drift / float(costs.min()) if run.problem.per_cost and costs is not None else drift)

    def _penalties(self) -> NDArray[np.float64]:
        """The conflict of every row of the block with the picks so far."""
        run, count = self._run, len(self._run.ledger.rows)
        if run.eta is None or count == 0:
            return np.zeros(len(self._rows))
        mean = math.sqrt(self._total @ self._total) / count
        return np.maximum(0.0, self._dots / (-count * (self._lengths * mean + run.eta)))

    def _penalty(self, at: int) -> float:
        return 0.0 if self._run.eta is None else float(self._penalties()[at])

    def _lowest_twin(self, at: int) -> int:
        """The lowest open row identical to the winner; if that is another row of the block the two trade places."""
        row = int(self._rows[at])
        twin = lowest_twin(self._run.problem, self._run.ledger.allowed, row)
        if twin != row:
            self._rows[self._rows == twin] = row
            self._rows[at] = twin
        return twin

    def _take(self, at: int, row: int, gain: float, penalty: float) -> None:
        run, j = self._run, len(self._picked)
        e = self._K[at] - self._C[:j, at] @ self._C[:j]
        e *= math.sqrt(run.alpha / (1 + run.alpha * self._r[at]))
        self._C[j] = e
        self._r = np.maximum(self._r - e * e, 0.0)
        self._picked.append(at)
        self._open[at] = False
        if run.eta is not None:
            self._dots += self._Q[at]
            self._total += self._X[at]
        if run.ledger.record(row, gain, penalty):
            self._open &= run.ledger.allowed[self._rows]

    def _fold(self) -> int:
        """Hand the picks to the root and the bounds; the block's rows are then known at the new epoch."""
        run = self._run
        if self._picked:
            U = run.root.absorb(self._Y[self._picked])
            if run.root.worn(run.bounds.longest):
                run.root.rebuild(run.problem.features.rows(run.ledger.rows))
            run.total = run.total + self._X[self._picked].sum(axis=0)
            run.bounds.advance(U, run.total / len(run.ledger.rows))
        run.bounds.settle(self._rows, self._r + 1e-12 * self._start, run.root.noise, self._cosines())
        return len(self._picked)

    def _cosines(self) -> NDArray[np.float64] | None:
        if self._run.eta is None:
            return None
        size = self._lengths * math.sqrt(self._total @ self._total)
        return np.divide(self._dots, size, out=np.zeros_like(size), where=size > 0)
