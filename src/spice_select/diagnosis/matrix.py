"""Feature matrices read in row tiles: any float dtype, memory-mapped or not, always computed on in float64."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from spice_select.errors import InputError
from spice_select.selection.features import as_matrix, squared_norms

TILE_ENTRIES = 1 << 22  # 32 MB of float64: 4096 rows at d = 1024, enough to keep products near the machine's limit


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrix:
    """Features that have been checked: `array` float32 or float64 [n, d], `squares` ‖g‖² float64 [n].

    Everything in `spice_select.diagnosis` that takes features takes one of these too. What several judgements need of
    all rows is then computed by the first of them and kept: at most 2·min(n, d)² float64 for each α.
    """

    array: np.ndarray
    squares: np.ndarray

    @cached_property
    def rows(self) -> np.ndarray:
        """The array, `compact`."""
        return compact(self.array)

    @cached_property
    def kept(self) -> dict[float, Any]:
        """What belongs to an α: see `factor.factor_of_all`."""
        return {}


def read(features: Any) -> Matrix:
    """Check features as the selector does: numpy (memory-mapped too) or torch, [n, d], every row finite.

    A `Matrix` has been checked and is handed back. Raises InputError naming the shape, the dtype or the rows.
    Cost: one pass.
    """
    if isinstance(features, Matrix):
        return features
    array = as_matrix(features)
    return Matrix(array=array, squares=squared_norms(array))


def picked_rows(selection: Any, rows: int) -> np.ndarray:
    """The selection's `indices` as int64 [k], each a different row in [0, rows). Raises InputError naming a fault."""
    if not hasattr(selection, "indices"):
        raise InputError(
            f"selection of type {type(selection).__name__}: it has no `indices`. Give what `greedy` returns, or any "
            "object with the row numbers under that name."
        )
    picked = np.asarray(selection.indices)
    if picked.ndim != 1 or not len(picked) or picked.dtype.kind not in "iu":
        raise InputError(
            f"the selection's indices have shape {picked.shape} and dtype {picked.dtype}; "
            "a non-empty list of row numbers is needed"
        )
    picked = picked.astype(np.int64)
    outside = (picked < 0) | (picked >= rows)
    if outside.any():
        raise InputError(
            f"the selection names row {int(picked[outside][0])}, but the features have rows 0 to {rows - 1}; "
            "were the two made from the same data?"
        )
    values, counts = np.unique(picked, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"the selection names row {int(values[counts > 1][0])} twice; a subset has each row once")
    return picked


def tile_rows(d: int) -> int:
    """Rows of d entries that make a tile."""
    return max(64, TILE_ENTRIES // d)


def tiles(matrix: np.ndarray, rows: np.ndarray | None = None, *, least: int = 1) -> Iterator[tuple[int, np.ndarray]]:
    """(position, float64 rows) for consecutive tiles, of `least` rows or more, of the matrix or of `matrix[rows]`.

    Tiles of a float64 matrix are views: read them, do not write.
    """
    size = max(least, tile_rows(matrix.shape[1]))
    for start in range(0, len(matrix) if rows is None else len(rows), size):
        part = matrix[start : start + size] if rows is None else matrix[rows[start : start + size]]
        yield start, part.astype(np.float64, copy=False)


def gram(matrix: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Σ g gᵀ over all rows or over `rows`, float64 [d, d].

    Cost: nd² flops, as BLAS computes one half of a product with itself; memory a tile of d rows and two d × d.
    """
    d = matrix.shape[1]
    total = np.zeros((d, d))
    for _, tile in tiles(matrix, rows, least=d):
        total += tile.T @ tile
    return total


def compact(matrix: np.ndarray) -> np.ndarray:
    """The matrix itself if n ≥ d, else float64 [n, n] rows with the same inner products (Gᵀ = QR, rows of Rᵀ).

    Everything here is a function of the Gram matrix GGᵀ alone, so few rows of many dimensions need no d × d work.
    Cost: 2 d n² when n < d.
    """
    n, d = matrix.shape
    if n >= d:
        return matrix
    return np.asarray(np.linalg.qr(matrix.T.astype(np.float64), mode="r")).T
