"""The penalty that the paper's theory speaks of: squared inner products with the set, blind to their sign."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import require_positive, rows_of
from spice_select.selection.penalties.base import Penalty, require_weight


@dataclass(frozen=True)
class SquaredInnerProduct(Penalty):
    """α² Σ_{y∈S}(g_xᵀg_y)² / (1 + α‖g_x‖²): what bounds the loss |ε_x(S)| of log-det information up to 1 + ‖αF_S‖.

    Never negative, and never falling as the set grows.

    Raises:
        InputError: `weight` is negative or not finite; `alpha` is not a finite number above 0.
    """

    weight: float = 0.1
    alpha: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", require_weight(self.weight))
        object.__setattr__(self, "alpha", require_positive("alpha", self.alpha, "the scale of the information"))

    def values(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """From the definition: O(k·|candidates|·d)."""
        X = rows_of(features, candidates)
        products = X @ rows_of(features, indices).T
        return self.alpha**2 * (products**2).sum(axis=1) / (1.0 + self.alpha * (X * X).sum(axis=1))

    def state(self, features: Matrix) -> "SquaredInnerProductState":
        """O(n) memory; O(nd) per row added."""
        return SquaredInnerProductState(features, self.alpha)


class SquaredInnerProductState:
    """Σ_{y∈S}(g_xᵀg_y)² of every row."""

    def __init__(self, features: Matrix, alpha: float) -> None:
        self._features, self._alpha = features, alpha
        self._scale = 1.0 + alpha * np.einsum("ij,ij->i", features, features)
        self._sums = np.zeros(len(features))

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """O(|rows|)."""
        return self._alpha**2 * self._sums[rows] / self._scale[rows]

    def add(self, row: int) -> None:
        """O(nd)."""
        self._sums += (self._features @ self._features[row]) ** 2
