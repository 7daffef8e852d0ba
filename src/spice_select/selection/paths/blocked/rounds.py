"""Blocked lazy greedy for log det: exact picks, most of the work in tiled float32 matrix products.

Each round brings the highest stale bounds up to date until the top rows are all fresh, evaluates these in float64, and
picks among them by conditioning their small Gram matrix (Chen et al., NeurIPS 2018) for as long as the best of them
beats the bound of every row outside. docs/selection.md has the algorithm and the proofs.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.paths.blocked.block import Block
from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.contenders import Leading
from spice_select.selection.paths.blocked.state import BlockedState
from spice_select.selection.paths.blocked.threads import single_threaded_blas
from spice_select.selection.paths.blocked.ties import settle_tie, tied_rows
from spice_select.selection.paths.blocked.whitened import EMPTY
from spice_select.selection.paths.eager import run_eager
from spice_select.selection.paths.ledger import Problem
from spice_select.selection.result import Selection, Stats

_INITIAL_BLOCK = 128
FIRST_BLOCK, LARGEST_BLOCK = 128, 2048
MOST_TIES = 16  # picks among too many ties after which evaluating every row at every pick may be cheaper


def run_blocked(problem: Problem, home: Callable[..., Bounds] | None = None) -> Selection:
    """Greedy on log det with or without the conflict penalty; the picks of `run_naive`.

    `home`: makes the bounds of all rows; where the features lie best if not given.
    """
    if not isinstance(problem.objective, LogDet):
        raise TypeError(f"the blocked path computes log det only, not {type(problem.objective).__name__}")
    with single_threaded_blas():
        return _Run(problem, problem.objective.alpha, home).selection()


class _Run:
    """One run: its state, and how far down the next look will have to go."""

    def __init__(self, problem: Problem, alpha: float, home: Callable[..., Bounds] | None) -> None:
        self.state = BlockedState(problem, alpha, size=min(FIRST_BLOCK, problem.features.n), home=home)
        self._ties_settled = 0
        self._leading = Leading(self.state)

    def selection(self) -> Selection:
        """Run to the end."""
        state, pool = self.state, None
        problem, bounds, ledger = state.problem, state.bounds, state.ledger
        for i in range(0, len(problem.initial), _INITIAL_BLOCK):
            rows = np.array(problem.initial[i : i + _INITIAL_BLOCK])
            Block(state, state.pool_of(rows, None), -np.inf).take_all(rows)
        while not ledger.finished():
            rows, keys = self._leading.contenders(state.size)
            known = bool((bounds.exact[rows] == bounds.now).all())
            pool = state.pool_of(rows, pool)
            # The block's rows are known exactly now. The highest key left bounds every other open row, stale or not:
            # no gain grows and no penalty is negative.
            keys[pool.rows[pool.rows != EMPTY]] = -np.inf
            block = Block(state, pool, float(keys.max()))
            picked = block.pick()
            if ledger.stop is not None or state.adapt(len(rows), picked, block.turned):
                continue
            # No pick: some row outside may be as good as the best inside, and all that may be must be looked at.
            tied = tied_rows(state)
            if len(tied) > LARGEST_BLOCK:
                if self._ties_settled > MOST_TIES + len(ledger.rows) // 2:
                    return self._hand_over()
                settle_tie(state, tied)
                self._ties_settled += 1
                pool = None
            elif known:  # else the bounds of these rows are tight now, which may be all it takes
                state.size = max(len(tied), state.size + 1)
        stats = Stats(path="blocked", evaluations=state.evaluations, refreshed=bounds.refreshed, flops=bounds.flops)
        return ledger.selection(stats)

    def _hand_over(self) -> Selection:
        """Evaluate every row at every pick from here on."""
        rest = run_eager(replace(self.state.problem, initial=tuple(self.state.ledger.rows)))
        return replace(rest, stats=replace(rest.stats, path="blocked+eager"))
