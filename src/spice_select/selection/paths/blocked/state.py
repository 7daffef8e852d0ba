"""What a blocked run knows between two picks: what blocks, ties and rounds all work on."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import Features
from spice_select.selection.paths.blocked import kernels
from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.bounds_compiled import CompiledBounds, fits_kernel
from spice_select.selection.paths.blocked.keys import Keys
from spice_select.selection.paths.blocked.root import InverseRoot
from spice_select.selection.paths.blocked.whitened import WhitenedRows
from spice_select.selection.paths.ledger import Ledger, Problem
from spice_select.selection.paths.twins import Twins
from spice_select.selection.penalties.conflict import Conflict

SMALLEST_BLOCK, USUAL_BLOCK = 16, 256


class PickState:
    """The picks so far in every form that a block needs them in.

    Attributes:
        problem, alpha: the request, and α of its log det.
        eta: the guard of the conflict penalty; None without one.
        ledger: the picks, and which rows are open.
        root: float64, what decisions rest on.
        bounds: what is told of the picks, so that it can say which rows need not be looked at.
        total: sum of the picked gradients, float64 [d].
        size: rows in a block; `usual` is the most that it grows to of itself.
        horizon: how far conflicts may fall within a block before the bounds outside must be raised.
        evaluations: rows whitened in float64 so far.
    """

    bounds: "Told"

    def __init__(self, problem: Problem, alpha: float, *, size: int, usual: int | None = None) -> None:
        kernels.heed_environment()
        self.problem, self.alpha = problem, alpha
        conflict = problem.penalty if problem.weight > 0 else None
        self.eta = conflict.eta if isinstance(conflict, Conflict) else None
        self.ledger = Ledger(problem)
        self.root = InverseRoot(problem.features.d, alpha)
        self.total = np.zeros(problem.features.d)
        self.size, self.usual = size, USUAL_BLOCK if usual is None else usual
        self.horizon = 0.0
        self.evaluations = 0

    def pool_of(self, rows: NDArray[np.int64], earlier: WhitenedRows | None, size: int | None = None) -> WhitenedRows:
        """A pool that holds `rows`: the earlier one, where its size is still right (`size`, or that of a block)."""
        features, size = self.problem.features, max(self.size if size is None else size, len(rows))
        if earlier is None or earlier.size != size:
            pool = WhitenedRows(size, (features.n, features.d), raw=self.eta is not None)
        else:
            pool = earlier
        self.evaluations += pool.bring(rows, features.rows, self.root.whiten)
        return pool

    def adapt(self, contenders: int, picked: int, turned: float) -> bool:
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
            self.size = max(self.size, min(n, self.usual, 2 * self.size))
        elif 0 < 32 * picked < contenders and turned <= allowed:
            self.size = max(SMALLEST_BLOCK, self.size // 2)
        return picked > 0 or allowed > 0


class Told(Protocol):
    """What `Block` tells of its picks, and asks."""

    longest: float

    def advance(self, U: NDArray[np.float64], mean: NDArray[np.float64]) -> None:
        """See `Bounds.advance`."""
        ...

    def settle(
        self, rows: NDArray[np.int64], r: NDArray[np.float64], noise: float, cosine: NDArray[np.float64] | None
    ) -> None:
        """See `Bounds.settle`."""
        ...

    def drift(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
        """See `Bounds.drift`."""
        ...


class BlockedState(PickState):
    """The same with the bounds of all rows; `bounds` float32, what says which rows need not be looked at."""

    bounds: Bounds

    def __init__(self, problem: Problem, alpha: float, *, size: int) -> None:
        super().__init__(problem, alpha, size=size)
        features = problem.features
        self.bounds = home_of(features)(features, eta=self.eta, root=self.root)
        self.scores = Keys(self.bounds, alpha=alpha, weight=problem.weight, prices=problem.prices)
        self._twins = Twins(features.twins, problem.constraints.costs)

    def open_keys(self, horizon: float | None = None) -> NDArray[np.float64]:
        """`keys` of all rows, −∞ for those that cannot be the next pick."""
        keys = self.keys(slice(None), horizon)
        keys[~self._twins.visible(self.ledger.allowed)] = -np.inf
        return keys

    def keys(self, rows: NDArray[np.int64] | slice, horizon: float | None = None) -> NDArray[np.float64]:
        """Upper bounds on the scores, now and for as long as no conflict falls by more than `horizon`."""
        return self.scores.of(rows, self.horizon if horizon is None else horizon)


def home_of(features: Features) -> type[Bounds]:
    """Where the float32 products run: the compiled kernel, or numpy."""
    return CompiledBounds if kernels.has_kernel() and fits_kernel(features) else Bounds
