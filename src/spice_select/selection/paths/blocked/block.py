"""One block of the blocked path: picks among the rows of a pool for as long as none outside can be better."""

import math

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.paths.blocked.inner import OVERFLOW, Best, Conflicts, inner_loop
from spice_select.selection.paths.blocked.state import PickState
from spice_select.selection.paths.blocked.whitened import EMPTY, WhitenedRows
from spice_select.selection.paths.ledger import TIE, lowest_twin

_NOISE = 8 * float(np.finfo(np.float64).eps)  # error of ‖xL‖² within a block, relative to its value at the start


class Block:
    """The rows of a pool, whitened by the picks so far; `out` bounds the score of all others that are open."""

    def __init__(self, state: PickState, pool: WhitenedRows, out: float) -> None:
        problem, ledger = state.problem, state.ledger
        self._state, self._pool, self._out = state, pool, out
        self._rows = pool.rows
        self._conflicts = None
        if state.eta is not None:
            self._conflicts = Conflicts(pool, state.total, len(ledger.rows), eta=state.eta, weight=problem.weight)
        self._inner = inner_loop()(
            pool,
            (pool.rows != EMPTY) & ledger.allowed[pool.rows],
            alpha=state.alpha,
            most=min(pool.size, problem.k - len(ledger.rows)),
            conflicts=self._conflicts,
            costs=None if problem.prices is None else problem.prices[pool.rows],
        )
        self.turned = 0.0  # how far the mean gradient has turned, as far as it was asked
        self._hidden_opened = False  # whether a row closed that hid an open twin of another group
        self._renewed = False  # whether K is made of products of rows of Y only

    def pick(self) -> int:
        """Pick until the best no longer beats the bound outside or the run ends; returns how many were picked."""
        ledger, inner = self._state.ledger, self._inner
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
            self._take(Best(at, math.log1p(self._state.alpha * self._inner.r[at]), penalty, 0.0), row)
        self._fold()

    def _winner(self) -> Best | None:
        """The next pick; None if the block must end first."""
        best = self._inner.best(self._bound_outside())
        if best is not None and best.at in self._inner.picked:
            return None  # it stands for a twin of the row picked there, which is not in the block
        if best is None or _NOISE * self._state.alpha * best.wear <= TIE * math.exp(min(best.gain, OVERFLOW)):
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
        state, conflicts = self._state, self._conflicts
        if conflicts is None or not self._inner.picked or self._out == -np.inf:
            return self._out
        self.turned = state.bounds.drift(state.total, conflicts.total)
        drift = state.problem.weight * max(0.0, self.turned - state.horizon)
        prices = state.problem.prices
        return self._out + (drift if prices is None else drift / float(prices.min()))

    def _take(self, best: Best, row: int, *, twins: bool = False) -> None:
        """Pick a row; with `twins` its place goes on standing for the next open row that is identical to it."""
        ledger, problem = self._state.ledger, self._state.problem
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
        state, pool, picked = self._state, self._pool, self._inner.picked
        slack, rows = 1e-12 * pool.r, pool.rows.copy()
        if picked:
            U = state.root.absorb(pool.Y[picked], pool.Y)
            X = state.problem.features.rows(rows[picked])
            pool.move_on(picked, self._inner.taken)
            state.total = state.total + X.sum(axis=0)
            state.bounds.advance(U, state.total / len(state.ledger.rows))
            if state.root.worn(state.bounds.longest):
                state.root.rebuild(state.problem.features.rows(state.ledger.rows))
                pool.rows[:] = EMPTY
        here, r = rows != EMPTY, np.maximum(self._inner.r, 0.0) + slack
        cosines = None if self._conflicts is None else self._conflicts.cosines()[here]
        state.bounds.settle(rows[here], r[here], state.root.noise, cosines)
        return len(picked)
