"""What a blocked run knows between two picks: what blocks, ties and rounds all work on."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import Features
from spice_select.selection.paths.blocked import kernels
from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.bounds_compiled import CompiledBounds, fits_kernel
from spice_select.selection.paths.blocked.root import InverseRoot
from spice_select.selection.paths.blocked.whitened import WhitenedRows
from spice_select.selection.paths.ledger import Ledger, Problem
from spice_select.selection.paths.twins import Twins
from spice_select.selection.penalties.conflict import Conflict


class BlockedState:
    """The picks so far in every form that the blocked path needs them in.

    Attributes:
        problem, alpha: the request, and α of its log det.
        eta: the guard of the conflict penalty; None without one.
        ledger: the picks, and which rows are open.
        root: float64, what decisions rest on.
        bounds: float32, what says which rows need not be looked at.
        total: sum of the picked gradients, float64 [d].
        size: rows in a block.
        horizon: how far conflicts may fall within a block before the bounds outside must be raised.
        evaluations: rows whitened in float64 so far.
    """

    def __init__(self, problem: Problem, alpha: float, *, size: int) -> None:
        features = problem.features
        self.problem, self.alpha = problem, alpha
        conflict = problem.penalty if problem.weight > 0 else None
        self.eta = conflict.eta if isinstance(conflict, Conflict) else None
        self.ledger = Ledger(problem)
        self.root = InverseRoot(features.d, alpha)
        self.bounds = home_of(features)(features, eta=self.eta, root=self.root)
        self.total = np.zeros(features.d)
        self.size = size
        self.horizon = 0.0
        self.evaluations = 0
        self._twins = Twins(features, problem.constraints.costs)

    def pool_of(self, rows: NDArray[np.int64], earlier: WhitenedRows | None) -> WhitenedRows:
        """A pool that holds `rows`: the earlier one, where its size is still right."""
        features = self.problem.features
        if earlier is None or earlier.size != max(self.size, len(rows)):
            pool = WhitenedRows(max(self.size, len(rows)), (features.n, features.d), raw=self.eta is not None)
        else:
            pool = earlier
        self.evaluations += pool.bring(rows, features.rows, self.root.whiten)
        return pool

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
            # A conflict of c may fall by `fall` while a block lasts, and to no less than 0: so u − λ·max(0, c − fall)
            # holds until the mean has turned further, from when on `Block` adds the difference itself.
            scores -= self.problem.weight * np.maximum(0.0, self.bounds.conflicts(rows) - fall)
        if self.problem.prices is not None:
            scores /= self.problem.prices[rows]
        return scores


def home_of(features: Features) -> type[Bounds]:
    """Where the float32 products run: the compiled kernel, or numpy."""
    return CompiledBounds if kernels.has_kernel() and fits_kernel(features) else Bounds
