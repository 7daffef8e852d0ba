"""The inner loop of the blocked path: picks among a few rows by their Gram matrix, conditioned on each pick."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.penalties.conflict import hinge_of_products
from spice_select.selection.pool import EMPTY, Pool
from spice_select.selection.problem import TIE, lowest_twin

if TYPE_CHECKING:
    from spice_select.selection.blocked import BlockedRun

NOISE = 8 * float(np.finfo(np.float64).eps)  # error of ‖xL‖² within a block, relative to its value at the start
OVERFLOW = 700.0  # gains above this are not turned back into r


class Block:
    """The rows of the run's pool, whitened by the picks so far, in float64; `out` bounds the score of all others open.

    With K = YYᵀ and each pick s: e = (K_s − C_sᵀC)·√(α/(1+αr_s)) is what the pick takes, r falls by e², and e becomes a
    row of C.
    """

    def __init__(self, run: BlockedRun, pool: Pool, out: float) -> None:
        self._run, self._pool, self._out = run, pool, out
        self._rows = pool.rows
        self._least = np.where((pool.rows != EMPTY) & run.ledger.allowed[pool.rows], 0.0, -np.inf)  # of r; −∞: not open
        self._r = pool.r + self._least
        self._C = np.empty((min(pool.size, run.problem.k - len(run.ledger.rows)), pool.size))
        self._picked: list[int] = []
        self.turned = 0.0  # how far the mean gradient has turned, as far as it was asked
        self._renewed = False  # whether K is made of products of rows of Y only
        self._divisors = run.problem.divisors(self._rows)
        self._plain = run.eta is None and not run.problem.per_cost
        if pool.X is not None and pool.Q is not None:
            self._X, self._Q = pool.X, pool.Q
            self._dots = pool.X @ run.total
            self._lengths = np.sqrt(pool.Q.diagonal())
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
        return self._fold() if ledger.stop is None else len(self._picked)

    def take_all(self, rows: NDArray[np.int64]) -> None:
        """Pick these rows of the pool in order, whatever their score."""
        place = {row: at for at, row in enumerate(self._rows.tolist())}
        for row in rows.tolist():
            at = place[row]
            self._take(at, row, math.log1p(self._run.alpha * self._r[at]), self._penalty(at))
        self._fold()

    def _winner(self) -> int | None:
        """Position of the next pick; None if the block must end first."""
        found = self._best_by_gain() if self._plain else self._best_by_score()
        if found is None:
            return None
        best, tied = found
        wear = NOISE * self._run.alpha * float(self._pool.wear[tied].max())
        if wear > TIE * (1 + self._run.alpha * self._r[best]):
            if self._picked:
                return None  # too little is left of what these rows carried at the start: whiten afresh
            if not self._renewed:
                self._renew()
                return self._winner()
        return int(tied[0] if len(tied) == 1 else tied[self._rows[tied].argmin()])

    def _best_by_gain(self) -> tuple[int, NDArray[np.int64]] | None:
        """The position of the largest r and those that tie with it; None if the bound outside is larger."""
        best, alpha = int(self._r.argmax()), self._run.alpha
        if self._least[best] < 0:
            return None
        gain = math.log1p(alpha * float(self._r[best]))
        least = gain - TIE * gain
        if least < self._out:
            return None
        tied = (self._r >= math.expm1(gain - 2 * TIE * gain) / alpha).nonzero()[0] if gain < OVERFLOW else [best]
        tied = np.asarray(tied)
        if len(tied) > 1:
            tied = tied[np.log1p(alpha * self._r[tied]) >= least]
        return best, tied

    def _best_by_score(self) -> tuple[int, NDArray[np.int64]] | None:
        run, alpha = self._run, self._run.alpha
        gains = np.log1p(alpha * np.maximum(self._r, 0.0))
        scores = sizes = gains
        if run.eta is not None:
            weighted = run.problem.weight * self._penalties()
            scores, sizes = gains - weighted, gains + weighted
        if run.problem.per_cost:
            scores, sizes = scores / self._divisors, sizes / self._divisors
        scores = scores + self._least
        best = int(scores.argmax())
        least = float(scores[best] - TIE * sizes[best])
        if self._least[best] < 0 or least < self._bound_outside():
            return None
        return best, (scores >= least).nonzero()[0]

    def _renew(self) -> None:
        self._pool.renew()
        self._renewed = True
        np.add(self._pool.r, self._least, out=self._r)

    def _bound_outside(self) -> float:
        """No open row outside scores more: its conflict cannot have fallen further than the mean has turned."""
        run = self._run
        if run.eta is None or not self._picked or self._out == -np.inf:
            return self._out
        self.turned = run.bounds.drift(run.total, self._total)
        drift = run.problem.weight * max(0.0, self.turned - run.horizon)
        costs = run.problem.constraints.costs
        return self._out + (drift / float(costs.min()) if run.problem.per_cost and costs is not None else drift)

    def _penalties(self) -> NDArray[np.float64]:
        """The conflict of every row of the block with the picks so far."""
        run, count = self._run, len(self._run.ledger.rows)
        if run.eta is None or count == 0:
            return np.zeros(len(self._rows))
        return hinge_of_products(self._dots, self._lengths, math.sqrt(self._total @ self._total), count, run.eta)

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
        run, j, r = self._run, len(self._picked), self._r
        e = self._C[j]
        np.matmul(self._C[:j, at], self._C[:j], out=e)
        np.subtract(self._pool.K[at], e, out=e)
        e *= math.sqrt(run.alpha / (1 + run.alpha * r[at]))
        np.subtract(r, e * e, out=r)
        self._picked.append(at)
        self._least[at] = -np.inf
        if run.eta is not None:
            self._dots += self._Q[at]
            self._total += self._X[at]
        if run.ledger.record(row, gain, penalty):
            self._least[~run.ledger.allowed[self._rows]] = -np.inf
        np.maximum(r, 0.0, out=r)
        r += self._least

    def _fold(self) -> int:
        """Hand the picks to the root and the bounds; the pool's rows are then known exactly."""
        run, pool, picked = self._run, self._pool, self._picked
        slack, rows = 1e-12 * pool.r, pool.rows.copy()
        if picked:
            U = run.root.absorb(pool.Y[picked], pool.Y)
            X = run.problem.features.rows(rows[picked])
            pool.move_on(picked, self._C[: len(picked)])
            run.total = run.total + X.sum(axis=0)
            run.bounds.advance(U, run.total / len(run.ledger.rows))
            if run.root.worn(run.bounds.longest):
                run.root.rebuild(run.problem.features.rows(run.ledger.rows))
                pool.rows[:] = EMPTY
        here, r = rows != EMPTY, np.maximum(self._r, 0.0) + slack
        cosines = None if run.eta is None else self._cosines()[here]
        run.bounds.settle(rows[here], r[here], run.root.noise, cosines)
        return len(picked)

    def _cosines(self) -> NDArray[np.float64]:
        size = self._lengths * math.sqrt(self._total @ self._total)
        return np.divide(self._dots, size, out=np.zeros_like(size), where=size > 0)
