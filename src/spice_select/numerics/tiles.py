"""Row tiles: products over all rows of a matrix, a piece at a time, always computed in float64."""

from collections.abc import Iterator

import numpy as np

from spice_select.numerics.divided import DividedRows, ReadByRows

TILE_ENTRIES = 1 << 21  # 16 MB of float64: larger ones are given back to the system and taken anew each time

_PANEL = 512  # rows of a symmetric matrix that are multiplied at once


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


def tile_products(matrix: np.ndarray, vectors: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(position, products ``[m, rows]``) of vectors ``[m, d]`` with consecutive tiles of rows, 2mnd flops.

    Rows that are divided as they are read are multiplied as they are stored, and the products divided: mn divisions for
    nd. All tiles use one piece of memory: that of each alone would be given back to the system, and come back zeroed.
    """
    stored, ratios, (n, d) = matrix, None, matrix.shape
    if isinstance(matrix, DividedRows):
        stored, ratios = matrix.source, matrix.ratios
    room = np.empty((min(n, tile_rows(d)), d))
    for start in range(0, n, len(room)):
        tile = stored[start : start + len(room)]
        if tile.dtype != room.dtype:
            room[: len(tile)] = tile
            tile = room[: len(tile)]
        found = vectors @ tile.T
        if ratios is not None:
            found /= ratios[start : start + len(tile)]
        yield start, found


def row_sum(matrix: np.ndarray) -> np.ndarray:
    """Σ g over all rows, float64 [d]; memory a tile."""
    total = np.zeros(matrix.shape[1])
    for _, tile in tiles(matrix):
        total += tile.sum(axis=0)
    return total


def gram(matrix: np.ndarray, rows: np.ndarray | None = None, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Σ g gᵀ over all rows or over `rows`, each times its weight ≥ 0 (one for each; None: 1); float64 [d, d].

    Cost: nd² flops, as BLAS computes one half of a product with itself; memory a tile of d rows and two d × d.
    """
    d = matrix.shape[1]
    if rows is None and isinstance(matrix, ReadByRows) and (apart := matrix.gram_apart(weights)) is not None:
        return apart
    total = np.zeros((d, d))
    for start, tile in tiles(matrix, rows, least=d):
        scaled = tile if weights is None else tile * np.sqrt(weights[start : start + len(tile)])[:, None]
        total += scaled.T @ scaled
    return total


def times_upper(rows: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """Rows ``[m, d]`` times an upper triangle ``[d, d]``: md² flops where d ≫ `_PANEL`, nothing with the zeros."""
    out = np.empty(rows.shape)
    for start in range(0, len(triangle), _PANEL):
        stop = min(start + _PANEL, len(triangle))
        np.matmul(rows[:, :stop], triangle[:stop, start:stop], out=out[:, start:stop])
    return out


def symmetric_forms(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """xᵀAx of each row x of ``[m, d]``, A symmetric ``[d, d]``: md² flops where d ≫ `_PANEL`, by one half of A."""
    totals, d = np.zeros(len(rows)), len(matrix)
    for start in range(0, d, _PANEL):
        stop = min(start + _PANEL, d)
        image = rows[:, start:stop] @ matrix[start:stop, start:]
        image[:, stop - start :] *= 2
        totals += np.einsum("ij,ij->i", image, rows[:, start:])
    return totals


def compact(matrix: np.ndarray) -> np.ndarray:
    """The matrix itself if n ≥ d, else float64 [n, n] rows with the same inner products (Gᵀ = QR, rows of Rᵀ).

    Information is a function of the Gram matrix GGᵀ alone, so few rows of many dimensions need no d × d work.
    Cost: 2 d n² when n < d.
    """
    n, d = matrix.shape
    if n >= d:
        return matrix
    return np.asarray(np.linalg.qr(np.asarray(matrix, dtype=np.float64).T, mode="r")).T
