"""The diagonal approximation as a true set function: Σ_j log(1 + α Σ_{i∈S} g_ij²)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import Objective, require_positive, rows_of


@dataclass(frozen=True)
class DiagonalLogDet(Objective):
    """log det of I + α·diag(F_S): the information if the coordinates were independent. Monotone and submodular.

    An upper bound on `LogDet` (Hadamard's inequality). Unlike scores that add up g⁴ it is the same in every order of
    picking. O(d) per gain.

    Raises:
        InputError: `alpha` is not a finite number above 0.
    """

    alpha: float = 1.0
    monotone: ClassVar[bool] = True
    submodular: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "alpha",
            require_positive("alpha", self.alpha, "the scale of the information in log det(I + α diag F)"),
        )

    def value(self, features: Any, indices: Sequence[int] | Rows) -> float:
        """Σ_j log(1 + α Σ g_j²). O(kd)."""
        return float(np.log1p(self.alpha * (rows_of(features, indices) ** 2).sum(axis=0)).sum())

    def gains(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """Σ_j log(1 + αx_j²/(1 + αΣg_j²)) from the definition, without subtracting two values."""
        mass = 1.0 + self.alpha * (rows_of(features, indices) ** 2).sum(axis=0)
        return np.log1p(self.alpha * rows_of(features, candidates) ** 2 / mass).sum(axis=1)

    def state(self, features: Matrix) -> "DiagonalState":
        """O(d) memory beside the features."""
        return DiagonalState(features, self.alpha)


class DiagonalState:
    """1 + αΣg_j² for each coordinate j."""

    def __init__(self, features: Matrix, alpha: float) -> None:
        self._features = features
        self._alpha = alpha
        self._mass = np.ones(features.shape[1])

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`: O(|rows|·d)."""
        return np.log1p(self._alpha * self._features[rows] ** 2 / self._mass).sum(axis=1)

    def add(self, row: int) -> None:
        """O(d)."""
        self._mass += self._alpha * self._features[row] ** 2
