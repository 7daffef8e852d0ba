"""Blocked lazy greedy for log det: exact picks, most of the work in tiled float32 matrix products.

Each round brings the highest stale bounds up to date until the top rows are all fresh, evaluates these in float64, and
picks among them by conditioning their small Gram matrix (Chen et al., NeurIPS 2018) for as long as the best of them
beats the bound of every row outside. docs/selection.md has the algorithm and the proofs.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.paths.blocked.block import Block
from spice_select.selection.paths.blocked.inner import OVERFLOW
from spice_select.selection.paths.blocked.state import BlockedState
from spice_select.selection.paths.blocked.threads import single_threaded_blas
from spice_select.selection.paths.blocked.ties import settle_tie, tied_rows
from spice_select.selection.paths.blocked.whitened import EMPTY
from spice_select.selection.paths.eager import run_eager
from spice_select.selection.paths.ledger import Problem
from spice_select.selection.result import Selection, Stats

_LOWEST = float(np.finfo(np.float64).min)
_INITIAL_BLOCK = 128
FIRST_BLOCK, SMALLEST_BLOCK, USUAL_BLOCK, LARGEST_BLOCK = 128, 16, 256, 2048
MOST_TIES = 16  # picks among too many ties after which evaluating every row at every pick may be cheaper


def run_blocked(problem: Problem) -> Selection:
    """Greedy on log det with or without the conflict penalty; the picks of `run_naive`."""
    if not isinstance(problem.objective, LogDet):
        raise TypeError(f"the blocked path computes log det only, not {type(problem.objective).__name__}")
    with single_threaded_blas():
        return _Run(problem, problem.objective.alpha).selection()


class _Run:
    """One run: its state, how many rows to look at in a round, and how far down the next look will have to go."""

    def __init__(self, problem: Problem, alpha: float) -> None:
        self.state = BlockedState(problem, alpha, size=min(FIRST_BLOCK, problem.features.n))
        self._ties_settled = 0
        self._out = self._expected = np.inf  # the last bound outside, and where the next one may lie

    def selection(self) -> Selection:
        """Run to the end."""
        state, pool = self.state, None
        problem, bounds, ledger = state.problem, state.bounds, state.ledger
        for i in range(0, len(problem.initial), _INITIAL_BLOCK):
            rows = np.array(problem.initial[i : i + _INITIAL_BLOCK])
            Block(state, state.pool_of(rows, None), -np.inf).take_all(rows)
        while not ledger.finished():
            rows, keys = self._contenders()
            known = bool((bounds.exact[rows] == bounds.now).all())
            pool = state.pool_of(rows, pool)
            # The block's rows are known exactly now. The highest key left bounds every other open row, stale or not:
            # no gain grows and no penalty is negative.
            keys[pool.rows[pool.rows != EMPTY]] = -np.inf
            block = Block(state, pool, float(keys.max()))
            picked = block.pick()
            if ledger.stop is not None or self._adapt(len(rows), picked, block.turned):
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

    def _contenders(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The rows with the highest fresh bounds, highest first, and every row's bound (−∞ if it is not open)."""
        state, bounds = self.state, self.state.bounds
        keys = state.open_keys()
        level, refreshed = self._expected, 0
        while True:
            rows, out = highest(keys, state.size, near=level)
            # A stale key is a bound like any other, so only rows above the first stale one are sure to lead. Which rows
            # are contenders and how many are refreshed at a time is a matter of speed: any set would do.
            stale = bounds.reached[rows] < bounds.now
            fresh = int(np.argmax(stale)) if stale.any() else len(rows)
            if fresh == len(rows) or 2 * fresh > state.size:
                self._expect(out if fresh == len(rows) else float(keys[rows[fresh]]))
                return rows[:fresh], keys
            lowest = float(keys[rows[-1]])
            level = highest(keys, max(state.size, refreshed // 4), near=level)[1] if refreshed else min(level, lowest)
            wanted = np.flatnonzero(keys >= max(level, _LOWEST))
            bounds.refresh(wanted, self._floor(level))
            keys[wanted] = state.keys(wanted)
            refreshed += len(wanted)

    def _expect(self, out: float) -> None:
        """Where the bound outside will lie next time, if it goes on falling at the same ratio, or step if not above 0.

        Only a guess of how many rows to refresh at once: too high costs another look, too low costs refreshes.
        """
        if out > 0 and np.isfinite(self._out) and self._out > 0:
            self._expected = out * min(1.0, out / self._out)
        elif np.isfinite(out) and np.isfinite(self._out):
            self._expected = out - max(0.0, self._out - out)
        else:
            self._expected = out
        self._out = out

    def _floor(self, level: float) -> NDArray[np.float64] | float:
        """What r must reach, in each row or in all, for a score to reach `level`."""
        problem = self.state.problem
        # score ≤ log(1 + αr)/price, so a row below this r is below the level; 1e-9 keeps rounding from cutting one off.
        scores = np.maximum(level * problem.divisors(slice(None)), 0.0)
        return np.expm1(np.minimum(scores, OVERFLOW)) * ((1 - 1e-9) / self.state.alpha)

    def _adapt(self, contenders: int, picked: int, turned: float) -> bool:
        """Fit the next block to this one; False if it had no pick, though no allowance for turning stood in the way.

        A block that ends because the mean has turned needs a wider allowance; one that has no pick because of its
        allowance, which raises the bounds of all rows outside, needs more rows.
        """
        state = self.state
        n, allowed = state.problem.features.n, state.horizon
        if turned > allowed:
            state.horizon = 2 * turned
        elif picked == 0:
            state.horizon = 0.0
        elif turned < allowed / 4:
            state.horizon /= 2
        if 8 * picked > contenders or (picked == 0 and allowed > 0):
            state.size = max(state.size, min(n, USUAL_BLOCK, 2 * state.size))
        elif 0 < 32 * picked < contenders and turned <= allowed:
            state.size = max(SMALLEST_BLOCK, state.size // 2)
        return picked > 0 or allowed > 0

    def _hand_over(self) -> Selection:
        """Evaluate every row at every pick from here on."""
        rest = run_eager(replace(self.state.problem, initial=tuple(self.state.ledger.rows)))
        return replace(rest, stats=replace(rest.stats, path="blocked+eager"))


def highest(keys: NDArray[np.float64], count: int, *, near: float = -np.inf) -> tuple[NDArray[np.int64], float]:
    """The rows of the `count` highest keys above −∞, highest first, and the next key (−∞ if there is none).

    `near` is a guess of a key a little lower: where enough keys reach it, only they are ranked.
    """
    among = np.flatnonzero(keys >= near) if near > -np.inf else np.arange(len(keys))
    if len(among) <= count:
        among = np.arange(len(keys))
    some = keys[among]
    if count < len(some):
        order = np.argpartition(some, len(some) - count - 1)
        top, out = among[order[len(some) - count :]], float(some[order[len(some) - count - 1]])
    else:
        top, out = among, -np.inf
    top = top[keys[top] > -np.inf]
    return top[np.argsort(-keys[top], kind="stable")], out
