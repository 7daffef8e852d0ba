"""The whitened rows of a block and their Gram matrix, kept from block to block.

Most rows of a block come back in the next one. Whitening such a row by the new picks alone costs 4md operations
(m picks) instead of 2d², and conditioning its entries of the Gram matrix 2m each instead of 2d.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix
from spice_select.selection.paths.blocked.products import product, subtract_product

EMPTY = -1


class WhitenedRows:
    """`size` places for rows of features [n, d]: row numbers (`EMPTY`: none), Y = XL, K = YYᵀ and r = ‖Y_i‖², float64.

    With `raw`, also X and Q = XXᵀ. `wear` sums, for each row, the values of r at the start of every block since its
    entries of K were last products of rows of Y: it is what the rounding errors of conditioning scale with.
    """

    def __init__(self, size: int, shape: tuple[int, int], *, raw: bool) -> None:
        n, d = shape
        self.rows = np.full(size, EMPTY, dtype=np.int64)
        self.Y, self.K = np.zeros((size, d)), np.zeros((size, size))
        self.r, self.wear = np.zeros(size), np.zeros(size)
        self.X: Matrix | None = np.zeros((size, d)) if raw else None
        self.Q: Matrix | None = np.zeros((size, size)) if raw else None
        self._marked = np.zeros(n, dtype=bool)

    @property
    def size(self) -> int:
        """The number of places."""
        return len(self.rows)

    def bring(
        self, rows: NDArray[np.int64], fetch: Callable[[NDArray[np.int64]], Matrix], whiten: Callable[[Matrix], Matrix]
    ) -> int:
        """Make sure that `rows` are here; returns how many were not. The rows with the least r give way to them."""
        full = self.rows != EMPTY
        new = rows[~self._among(self.rows[full], rows)]
        spare = np.flatnonzero(~(full & self._among(rows, self.rows)))
        held = np.where(self.rows[spare] == EMPTY, -1.0, self.r[spare])
        at = spare[np.argsort(held, kind="stable")[: len(new)]]
        X = fetch(new)
        self.rows[at], self.Y[at] = new, whiten(X)
        _enter(self.K, self.Y, at)
        self.r[at] = self.wear[at] = self.K[at, at]
        if self.X is not None and self.Q is not None:
            self.X[at] = X
            _enter(self.Q, self.X, at)
        return len(new)

    def _among(self, some: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `rows` are among `some`."""
        self._marked[some] = True
        found = self._marked[rows]
        self._marked[some] = False
        return found

    def renew(self) -> None:
        """K afresh from Y."""
        self.K[:] = product(self.Y, self.Y.T)
        self.r = self.K.diagonal().copy()
        self.wear = self.r.copy()

    def move_on(self, picked: list[int], taken: Matrix) -> None:
        """Condition K on picks that took `taken`ᵀ`taken` from it, and give their places up. Y has moved on already."""
        subtract_product(self.K, taken.T, taken)
        self.r = np.einsum("ij,ij->i", self.Y, self.Y)
        self.wear += self.r
        self.rows[picked] = EMPTY


def _enter(gram: Matrix, rows: Matrix, at: NDArray[np.int64]) -> None:
    """Bring the Gram matrix of `rows` up to date where the rows `at` are new."""
    products = product(rows[at], rows.T)
    gram[at] = products
    gram[:, at] = products.T
