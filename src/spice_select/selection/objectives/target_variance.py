"""Information about a target: the drop in total predictive variance over the pool or over given rows (I-optimality)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix, Rows
from spice_select.numerics.given import plain_array
from spice_select.numerics.tiles import gram
from spice_select.selection.multiplicity import copies_counted
from spice_select.selection.objectives.base import (
    ObjectiveState,
    Scaled,
    information_root,
    require_positive,
    require_width,
    rows_of,
    target_matrix,
)
from spice_select.selection.objectives.known import SoughtVariances, of_pool_or_rows
from spice_select.selection.objectives.variance_state import TargetVarianceState

_REFRESH = 64  # picks between fresh sums: running ones lose digits, the more the larger α‖g‖² is


@dataclass(frozen=True, eq=False)
class TargetVariance(Scaled):
    """F(S) = Σ_y g_yᵀg_y − Σ_y g_yᵀ(I + αF_S)⁻¹g_y over the target rows y: directions count as often as they occur.

    `target` [m, d] holds the rows to know about; None means the pool itself. Monotone, but *not* submodular: two rows
    may only together pin down a direction, so no lazy path and no (1 − 1/e) guarantee apply, and greedy evaluates every
    candidate at every pick. With T = Σ g_y g_yᵀ and P = (I + αF_S)⁻¹ the gain is α·xᵀPTPx / (1 + α·xᵀPx).

    Raises:
        InputError: `alpha` is not a finite number above 0; `target` is not a finite matrix.
    """

    name: ClassVar[str] = "target-variance"
    summary: ClassVar[str] = "what it takes from the uncertainty about all rows, in which common directions count more"
    worth: ClassVar[str] = "what it takes from the uncertainty about all rows that could be chosen"
    alpha: float = 1.0
    target: Any = field(default=None, repr=False)
    monotone: ClassVar[bool] = True
    submodular: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "alpha", require_positive("alpha", self.alpha, "the scale of the information in (I + αF)⁻¹")
        )
        if self.target is not None:
            object.__setattr__(self, "target", target_matrix(self.target))

    def value(self, features: Any, indices: Sequence[int] | Rows) -> float:
        """The drop in Σ_y g_yᵀ(I + αF_S)⁻¹g_y, from the definition. O((k + m)d²)."""
        if len(indices) == 0:
            return 0.0
        root, T = information_root(rows_of(features, indices), self.alpha), self._target_root(features)
        left = np.linalg.solve(root.T, T.T)
        return float((T * T).sum() - (left * left).sum())

    def gains(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """α‖T^½Px‖²/(1 + αxᵀPx) from a fresh factorisation, of one row or more. O((k + m + |candidates|)d²)."""
        whitened, root = rows_of(features, candidates), self._target_root(features)
        if len(indices):
            inverse = np.linalg.inv(information_root(rows_of(features, indices), self.alpha))
            whitened, root = whitened @ inverse, root @ inverse
        reach = whitened @ root.T
        numerator = self.alpha * np.einsum("ij,ij->i", reach, reach)
        return numerator / (1.0 + self.alpha * np.einsum("ij,ij->i", whitened, whitened))

    def state(self, features: Matrix) -> ObjectiveState:
        """Once 2nd²; then O(n + d²) memory, O(nd + d²) per row added; of no more rows than numbers O(n²) both."""
        if self.target is None and len(features) <= features.shape[1]:
            return PoolVarianceState(np.asarray(features, dtype=np.float64), self.weights(features), self.alpha)
        return TargetVarianceState(features, self.spread(features), self.alpha)

    def spread(self, features: Matrix) -> Matrix:
        """T = Σ w_y g_y g_yᵀ of what is to be known, float64 ``[d, d]``. Cost: md² flops."""
        if self.target is None:
            return gram(features, weights=self.weights(features))
        root = self._target_root(features)
        return root.T @ root

    def sought(self, features: Matrix) -> SoughtVariances:
        """What is to be known, wherever the features lie: of the pool nd² flops, summed there."""
        return of_pool_or_rows(self.spread(features))

    def weights(self, pool: Matrix) -> NDArray[np.float64] | None:
        """How much each row of the pool counts among what is to be known; None where all count alike."""
        return None

    def _target_root(self, features: Any) -> Matrix:
        target = np.asarray(features, dtype=np.float64) if self.target is None else self.target
        require_width(target.shape[1], features)
        return target


@dataclass(frozen=True, eq=False)
class DistinctVariance(TargetVariance):
    """`TargetVariance` of the pool, or of a target, with each row divided by how often its direction occurs there.

    Σ_y g_y g_yᵀ/m_y for Σ_y g_y g_yᵀ, m_y as `copies_counted`: where a pool holds one row a hundred times, that
    direction is asked for once; where fewer than a tenth of the rows have copies it is `TargetVariance`, pick by pick.
    Cost: that of `copies_counted` beside its own, unless `counts` are given: m_y of each row to be known.

    Raises:
        InputError: as `TargetVariance`; another number of `counts` than of rows to be known.
    """

    name: ClassVar[str] = "distinct-variance"
    summary: ClassVar[str] = (
        "as target-variance, but where a tenth of the rows or more have copies a direction that copies share counts "
        "once"
    )
    worth: ClassVar[str] = "what it takes from the uncertainty about all distinct rows"
    counts: Any = field(default=None, repr=False)

    def of_rows(self, rows: Rows) -> "DistinctVariance":
        """With the counts of these rows, where they are of the pool's."""
        if self.counts is None or self.target is not None:
            return self
        return replace(self, counts=plain_array(self.counts, "counts")[rows])

    def weights(self, pool: Matrix) -> NDArray[np.float64]:
        counts = copies_counted(pool) if self.counts is None else plain_array(self.counts, "counts")
        if len(counts) != len(pool):
            raise InputError(
                f"{len(counts)} counts for {len(pool)} rows to be known: give each row's own, or leave them out."
            )
        if counts.dtype.kind not in "iuf" or not (np.isfinite(counts) & (counts > 0)).all():
            raise InputError("counts: how often each row's direction occurs must be a finite number above 0.")
        return 1.0 / counts

    def _target_root(self, features: Any) -> Matrix:
        root = super()._target_root(features)
        return np.asarray(root * np.sqrt(self.weights(root))[:, None], dtype=np.float64)


POOL_VARIANCES = (TargetVariance, DistinctVariance)
"""The objectives that want all rows of a pool known."""


class PoolVarianceState:
    """`TargetVarianceState` where the pool is its own target, by the products A = GPGᵀ of its rows alone.

    xᵀPx is on A's diagonal and xᵀPTPx = Σ_y w_y A_xy². With c = A_s and β = α/(1 + αA_ss) a row added takes βccᵀ off A.

    Args:
        features: G ``[n, d]``.
        weights: w ``[n]``, how much each row counts in T = Σ_y w_y g_y g_yᵀ; None for 1.
        alpha: the scale α.
    """

    def __init__(self, features: Matrix, weights: NDArray[np.float64] | None, alpha: float) -> None:
        self._A, self._alpha = features @ features.T, alpha
        self._weights = np.ones(len(features)) if weights is None else weights
        self._added = 0
        self._reach = self._fresh()

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`: O(|rows|)."""
        return self._alpha * self._reach[rows] / (1.0 + self._alpha * np.maximum(self._A[rows, rows], 0.0))

    def add(self, row: int) -> None:
        """O(n²)."""
        self._added += 1
        c = self._A[row].copy()
        beta = self._alpha / (1.0 + self._alpha * c[row])
        h = self._A @ (self._weights * c)
        self._A -= np.multiply.outer(beta * c, c)
        if self._added % _REFRESH == 0:
            self._reach = self._fresh()
        else:
            falls = 2 * beta * c * h - (beta * c) ** 2 * h[row]
            self._reach = np.maximum(self._reach - falls, 0.0)

    def _fresh(self) -> NDArray[np.float64]:
        return np.square(self._A) @ self._weights
