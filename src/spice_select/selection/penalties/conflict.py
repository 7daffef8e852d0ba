"""The gradient-conflict penalty of the paper: the hinge on the cosine with the mean gradient of the set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import require_positive, rows_of
from spice_select.selection.penalties.base import Penalty, require_weight

ETA = 1e-8


@dataclass(frozen=True)
class Conflict(Penalty):
    """max(0, −g_xᵀḡ_S / (‖g_x‖‖ḡ_S‖ + η)), ḡ_S the mean gradient of the set; in [0, 1], and 0 for the first pick.

    Only the negative side counts: rows that pull with the set are not rewarded. Source: SPICE, arXiv 2601.23155,
    Eq. 14, with η = 1e−8.

    Raises:
        InputError: `weight` is negative or not finite; `eta` is not above 0.
    """

    weight: float = 0.1
    eta: float = ETA

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", require_weight(self.weight))
        object.__setattr__(self, "eta", require_positive("eta", self.eta, "the guard in the cosine's denominator"))

    def values(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """The hinge from the definition. O((k + |candidates|)·d)."""
        if len(indices) == 0:
            return np.zeros(len(candidates))
        X = rows_of(features, candidates)
        return hinge(X, np.sqrt((X * X).sum(axis=1)), rows_of(features, indices).mean(axis=0), self.eta)

    def state(self, features: Matrix) -> "ConflictState":
        """O(n + d) memory; O(d) per value."""
        return ConflictState(features, self.eta)


class ConflictState:
    """The running sum of the picked gradients."""

    def __init__(self, features: Matrix, eta: float) -> None:
        self._features, self._eta = features, eta
        self._norms = np.sqrt(np.einsum("ij,ij->i", features, features))
        self._sum = np.zeros(features.shape[1])
        self._count = 0

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """The hinge of `rows`: O(|rows|·d)."""
        if self._count == 0:
            return np.zeros(len(rows))
        return hinge(self._features[rows], self._norms[rows], self._sum / self._count, self._eta)

    def add(self, row: int) -> None:
        """O(d)."""
        self._sum = self._sum + self._features[row]
        self._count += 1


def hinge(X: Matrix, norms: NDArray[np.float64], mean: NDArray[np.float64], eta: float) -> NDArray[np.float64]:
    """max(0, −Xḡ/(‖x‖‖ḡ‖ + η)) of each row of X [m, d]."""
    return np.maximum(0.0, -(X @ mean) / (norms * np.sqrt(mean @ mean) + eta))


def hinge_of_products(
    products: NDArray[np.float64], norms: NDArray[np.float64], length: float, count: int, eta: float
) -> NDArray[np.float64]:
    """The hinge of rows whose products with the sum of the `count` ≥ 1 picks are known; `length` is that of the sum."""
    return np.maximum(0.0, products / (-count * (norms * (length / count) + eta)))
