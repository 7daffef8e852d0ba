"""Blocked lazy greedy for log det: exact picks, most of the work in tiled float32 matrix products.

Each round brings the highest stale bounds up to date until the top rows are all fresh, evaluates these in float64, and
picks among them by conditioning their small Gram matrix (Chen et al., NeurIPS 2018) for as long as the best of them
beats the bound of every row outside. docs/selection.md has the algorithm and the proofs.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.features import Features
from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.paths.blocked import kernels
from spice_select.selection.paths.blocked.block import Block
from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.bounds_compiled import CompiledBounds, fits_kernel
from spice_select.selection.paths.blocked.bounds_device import DeviceBounds
from spice_select.selection.paths.blocked.root import InverseRoot
from spice_select.selection.paths.blocked.threads import single_threaded_blas
from spice_select.selection.paths.blocked.ties import settle_tie, tied_rows
from spice_select.selection.paths.blocked.whitened import EMPTY, WhitenedRows
from spice_select.selection.paths.eager import run_eager
from spice_select.selection.paths.ledger import Ledger, Problem
from spice_select.selection.paths.twins import Twins
from spice_select.selection.penalties.conflict import Conflict
from spice_select.selection.result import Selection, Stats

LOWEST = float(np.finfo(np.float64).min)
FIRST_BLOCK, SMALLEST_BLOCK, USUAL_BLOCK, LARGEST_BLOCK = 128, 16, 256, 2048
MOST_TIES = 16  # picks among too many ties after which evaluating every row at every pick may be cheaper


def run_blocked(problem: Problem) -> Selection:
    """Greedy on log det with or without the conflict penalty; the picks of `run_naive`."""
    if not isinstance(problem.objective, LogDet):
        raise TypeError(f"the blocked path computes log det only, not {type(problem.objective).__name__}")
    with single_threaded_blas():
        return BlockedRun(problem, problem.objective.alpha).selection()


class BlockedRun:
    """One run: the ledger, the float64 root, the float32 bounds, and how many rows to look at in a round."""

    def __init__(self, problem: Problem, alpha: float) -> None:
        self.problem, self.alpha = problem, alpha
        conflict = problem.penalty if problem.weight > 0 else None
        self.eta = conflict.eta if isinstance(conflict, Conflict) else None
        self.ledger = Ledger(problem)
        self._twins = Twins(problem.features, problem.constraints.costs)
        self.root = InverseRoot(problem.features.d, alpha)
        self.bounds = home_of(problem.features)(problem.features, eta=self.eta, root=self.root)
        self.total = np.zeros(problem.features.d)  # sum of the picked gradients
        self.size = min(FIRST_BLOCK, problem.features.n)  # rows in a block
        self._ties_settled = 0
        self.horizon = 0.0  # how far conflicts may fall within a block before the bounds outside must be raised
        self._out = self._expected = np.inf  # the last bound outside, and where the next one may lie
        self.evaluations = 0

    def selection(self) -> Selection:
        """Run to the end."""
        for i in range(0, len(self.problem.initial), 128):
            rows = np.array(self.problem.initial[i : i + 128])
            Block(self, self.pool_of(rows, None), -np.inf).take_all(rows)
        pool = None
        while not self.ledger.finished():
            rows, keys = self._contenders()
            known = bool((self.bounds.exact[rows] == self.bounds.now).all())
            pool = self.pool_of(rows, pool)
            keys[pool.rows[pool.rows != EMPTY]] = -np.inf
            block = Block(self, pool, float(keys.max()))
            picked = block.pick()
            if self.ledger.stop is not None or self._adapt(len(rows), picked, block.turned):
                continue
            tied = tied_rows(self)
            if len(tied) > LARGEST_BLOCK:
                if self._ties_settled > MOST_TIES + len(self.ledger.rows) // 2:
                    return self._hand_over()
                settle_tie(self, tied)
                self._ties_settled += 1
                pool = None
            elif known:  # else the bounds of these rows are tight now, which may be all it takes
                self.size = max(len(tied), self.size + 1)
        bounds = self.bounds
        stats = Stats(path="blocked", evaluations=self.evaluations, refreshed=bounds.refreshed, flops=bounds.flops)
        return self.ledger.selection(stats)

    def pool_of(self, rows: NDArray[np.int64], earlier: WhitenedRows | None) -> WhitenedRows:
        """A pool that holds `rows`: the earlier one, where its size is still right."""
        features = self.problem.features
        if earlier is None or earlier.size != max(self.size, len(rows)):
            pool = WhitenedRows(max(self.size, len(rows)), (features.n, features.d), raw=self.eta is not None)
        else:
            pool = earlier
        self.evaluations += pool.bring(rows, features.rows, self.root.whiten)
        return pool

    def _contenders(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The rows with the highest fresh bounds, highest first, and every row's bound (−∞ if it is not open)."""
        keys = self.open_keys()
        level, refreshed = self._expected, 0
        while True:
            rows, out = largest(keys, self.size, near=level)
            stale = self.bounds.reached[rows] < self.bounds.now
            fresh = int(np.argmax(stale)) if stale.any() else len(rows)
            if fresh == len(rows) or 2 * fresh > self.size:
                self._expect(out if fresh == len(rows) else float(keys[rows[fresh]]))
                return rows[:fresh], keys
            lowest = float(keys[rows[-1]])
            level = largest(keys, max(self.size, refreshed // 4), near=level)[1] if refreshed else min(level, lowest)
            wanted = np.flatnonzero(keys >= max(level, LOWEST))
            self.bounds.refresh(wanted, self._floor(level))
            keys[wanted] = self.keys(wanted)
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
        scores = np.maximum(level * self.problem.divisors(np.arange(self.problem.features.n)), 0.0)
        return np.expm1(np.minimum(scores, 700.0)) * ((1 - 1e-9) / self.alpha)

    def open_keys(self, horizon: float | None = None) -> NDArray[np.float64]:
        """`keys` of all rows, −∞ for those that cannot be the next pick."""
        keys = self.keys(slice(None), horizon)
        keys[~self._twins.visible(self.ledger.allowed)] = -np.inf
        return keys

    def keys(self, rows: NDArray[np.int64] | slice, horizon: float | None = None) -> NDArray[np.float64]:
        """Upper bounds on the scores, now and for as long as no conflict falls by more than `horizon`."""
        scores = np.log1p(self.alpha * self.bounds.r[rows])
        if self.eta is not None:
            fall = self.horizon if horizon is None else horizon
            scores -= self.problem.weight * np.maximum(0.0, self.bounds.conflicts(rows) - fall)
        if self.problem.per_cost:
            scores /= self.problem.divisors(np.arange(self.problem.features.n)[rows])
        return scores

    def _adapt(self, contenders: int, picked: int, turned: float) -> bool:
        """Fit the next block to this one; False if it had no pick, though no allowance for turning stood in the way.

        A block that ends because the mean has turned needs a wider allowance; one that has no pick because of its
        allowance, which raises the bounds of all rows outside, needs more rows.
        """
        n, allowed = self.problem.features.n, self.horizon
        if turned > allowed:
            self.horizon = 2 * turned
        elif picked == 0:
            self.horizon = 0.0
        elif turned < allowed / 4:
            self.horizon /= 2
        if 8 * picked > contenders or (picked == 0 and allowed > 0):
            self.size = max(self.size, min(n, USUAL_BLOCK, 2 * self.size))
        elif 0 < 32 * picked < contenders and turned <= allowed:
            self.size = max(SMALLEST_BLOCK, self.size // 2)
        return picked > 0 or allowed > 0

    def _hand_over(self) -> Selection:
        """Evaluate every row at every pick from here on."""
        rest = run_eager(replace(self.problem, initial=tuple(self.ledger.rows)))
        return replace(rest, stats=replace(rest.stats, path="blocked+eager"))


def home_of(features: Features) -> type[Bounds]:
    """Where the float32 products run: the accelerator the features lie on, the compiled kernel, or numpy."""
    if features.tensor is not None:
        return DeviceBounds
    return CompiledBounds if kernels.has_kernel() and fits_kernel(features) else Bounds


def largest(keys: NDArray[np.float64], count: int, *, near: float = -np.inf) -> tuple[NDArray[np.int64], float]:
    """The rows of the `count` largest keys above −∞, highest first, and the next key (−∞ if there is none).

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
