"""The two passes over all rows that a step of the relaxation takes, as sums and numbers: of rows here, or on shards."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.divided import DividedRows
from spice_select.numerics.tiles import tile_rows
from spice_select.selection.relaxation.factor import image_squares, panels_of

_TINY, _FAR = 1e-300, 100  # factors up to 2¹⁰⁰ and down to 2⁻¹⁰⁰ are float32's without loss but for one rounding


class Passes(Protocol):
    """Rows √α g [m, d], to be summed and measured."""

    d: int
    single: bool
    """Whether products are taken in float32."""

    def weighted_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ w_i α g_i g_iᵀ, float64 [d, d]. d² flops for each row with a weight."""
        ...

    def squares(self, inverse_root: NDArray[np.float64]) -> NDArray[np.float64]:
        """α‖Bg‖² of each row, float64 [m], as good as rounding has it. 2md² flops, half where B is lower triangular."""
        ...


class LocalPasses:
    """Those of some rows of a matrix in this process, read where they lie, a tile at a time.

    `rows`: which (None: all); `single`: products in float32, precise enough to search with unless α‖g‖² is large.
    """

    def __init__(self, matrix: Any, rows: NDArray[np.int64] | None, alpha: float, *, single: bool) -> None:
        self._matrix, self._rows, self._alpha, self.single = matrix, rows, alpha, single
        self.d = int(matrix.shape[1])

    def weighted_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Passes`."""
        total = np.zeros((self.d, self.d))
        for _, tile in self._tiles(np.flatnonzero(weights), np.sqrt(weights)):
            total += tile.T @ tile
        return total

    def squares(self, inverse_root: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Passes`."""
        panels = panels_of(inverse_root)
        if self.single:
            panels = [panel.astype(np.float32) for panel in panels]
        m = len(self._matrix) if self._rows is None else len(self._rows)
        out = np.zeros(m)
        for at, tile in self._tiles(np.arange(m), np.ones(m)):
            out[at] = image_squares(tile, panels)
        return out

    def _tiles(
        self, at: NDArray[np.int64], factors: NDArray[np.float64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        size = max(self.d, tile_rows(self.d))
        for start in range(0, len(at), size):
            some = at[start : start + size]
            rows = some if self._rows is None else self._rows[some]
            yield some, scaled_rows(self._matrix, rows, np.sqrt(self._alpha) * factors[some], single=self.single)


def scaled_rows(
    matrix: Any, rows: NDArray[np.int64] | slice, factors: NDArray[np.float64], *, single: bool
) -> NDArray[np.floating]:
    """Some rows of a matrix, each times a factor; in float32 if `single`, else in float64. A copy of them, no more.

    In float32 a number is rounded twice at most: the factor and the product.
    """
    if isinstance(matrix, DividedRows):
        matrix, factors = matrix.source, factors / matrix.ratios[rows]
    part = matrix[rows]
    out = np.empty(part.shape, dtype=np.float32 if single else np.float64)
    if single and part.dtype == np.float32 and ((factors == 0) | (abs(np.log2(factors + _TINY)) < _FAR)).all():
        factors = factors.astype(np.float32)  # numpy multiplies numbers of one kind four times as fast
    return np.multiply(part, factors[:, None], out=out, casting="same_kind")
