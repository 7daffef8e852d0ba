"""One block of the blocked path: picks among the rows of a pool for as long as none outside can be better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.paths.blocked.inner import OVERFLOW, Best, Conflicts, inner_loop
from spice_select.selection.paths.blocked.whitened import EMPTY, WhitenedRows
from spice_select.selection.paths.ledger import TIE, lowest_twin

if TYPE_CHECKING:
    from spice_select.selection.paths.blocked.rounds import BlockedRun

NOISE = 8 * float(np.finfo(np.float64).eps)  # error of ‖xL‖² within a block, relative to its value at the start


class Block:
    """The rows of the run's pool, whitened by the picks so far; `out` bounds the score of all others that are open."""

    def __init__(self, run: BlockedRun, pool: WhitenedRows, out: float) -> None:
        problem, ledger = run.problem, run.ledger
        self._run, self._pool, self._out = run, pool, out
        self._rows = pool.rows
        self._conflicts = None
        if run.eta is not None:
            self._conflicts = Conflicts(pool, run.total, len(ledger.rows), eta=run.eta, weight=problem.weight)
        self._inner = inner_loop()(
            pool,
            (pool.rows != EMPTY) & ledger.allowed[pool.rows],
            alpha=run.alpha,
            most=min(pool.size, problem.k - len(ledger.rows)),
            conflicts=self._conflicts,
            costs=np.asarray(problem.divisors(pool.rows)) if problem.per_cost else None,
        )
        self.turned = 0.0  # how far the mean gradient has turned, as far as it was asked
        self._hidden_opened = False  # whether a row closed that hid an open twin of another group
        self._renewed = False  # whether K is made of products of rows of Y only

    def pick(self) -> int:
        """Pick until the best no longer beats the bound outside or the run ends; returns how many were picked."""
        ledger, inner = self._run.ledger, self._inner
        while not ledger.finished():
            best = self._winner()
            if best is None or ledger.refuses(best.gain, best.penalty):
                break
            self._take(best, int(self._rows[best.at]), twins=True)
            if self._hidden_opened:
                break
        return self._fold() if ledger.stop is None else len(inner.picked)

    def take_all(self, rows: NDArray[np.int64]) -> None:
        """Pick these rows of the pool in order, whatever their score."""
        place = {row: at for at, row in enumerate(self._rows.tolist())}
        for row in rows.tolist():
            at = place[row]
            penalty = 0.0 if self._conflicts is None else float(self._conflicts.penalties()[at])
            self._take(Best(at, math.log1p(self._run.alpha * self._inner.r[at]), penalty, 0.0), row)
        self._fold()

    def _winner(self) -> Best | None:
        """The next pick; None if the block must end first."""
        best = self._inner.best(self._bound_outside())
        if best is not None and best.at in self._inner.picked:
            return None  # it stands for a twin of the row picked there, which is not in the block
        if best is None or NOISE * self._run.alpha * best.wear <= TIE * math.exp(min(best.gain, OVERFLOW)):
            return best
        if self._inner.picked:
            return None  # too little is left of what these rows carried at the start: whiten afresh
        if self._renewed:
            return best
        self._pool.renew()
        self._inner.restart()
        self._renewed = True
        return self._winner()

    def _bound_outside(self) -> float:
        """No open row outside scores more: its conflict cannot have fallen further than the mean has turned."""
        run, conflicts = self._run, self._conflicts
        if conflicts is None or not self._inner.picked or self._out == -np.inf:
            return self._out
        self.turned = run.bounds.drift(run.total, conflicts.total)
        drift = run.problem.weight * max(0.0, self.turned - run.horizon)
        costs = run.problem.constraints.costs
        return self._out + (drift / float(costs.min()) if run.problem.per_cost and costs is not None else drift)

    def _take(self, best: Best, row: int, *, twins: bool = False) -> None:
        """Pick a row; with `twins` its place goes on standing for the next open row that is identical to it."""
        ledger, problem = self._run.ledger, self._run.problem
        closed = ledger.record(row, best.gain, best.penalty)
        twin = lowest_twin(problem, ledger.allowed, row) if twins else row
        self._inner.take(best.at, again=twin != row)
        self._rows[best.at] = twin
        if closed:
            shut = (self._inner.r >= 0) & ~ledger.allowed[self._rows]
            self._inner.close(~shut)
            self._hidden_opened = any(lowest_twin(problem, ledger.allowed, r) != r for r in self._rows[shut].tolist())

    def _fold(self) -> int:
        """Hand the picks to the root and the bounds; the pool's rows are then known exactly."""
        run, pool, picked = self._run, self._pool, self._inner.picked
        slack, rows = 1e-12 * pool.r, pool.rows.copy()
        if picked:
            U = run.root.absorb(pool.Y[picked], pool.Y)
            X = run.problem.features.rows(rows[picked])
            pool.move_on(picked, self._inner.taken)
            run.total = run.total + X.sum(axis=0)
            run.bounds.advance(U, run.total / len(run.ledger.rows))
            if run.root.worn(run.bounds.longest):
                run.root.rebuild(run.problem.features.rows(run.ledger.rows))
                pool.rows[:] = EMPTY
        here, r = rows != EMPTY, np.maximum(self._inner.r, 0.0) + slack
        cosines = None if self._conflicts is None else self._conflicts.cosines()[here]
        run.bounds.settle(rows[here], r[here], run.root.noise, cosines)
        return len(picked)
