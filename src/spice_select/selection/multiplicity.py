"""How often each row's direction occurs: what copies are divided by, so that a target does not count them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.features import Features, read
from spice_select.numerics.tiles import row_sum

_SIDE = 2048  # rows of a square tile of products: 32 MB in float64


def multiplicities(
    matrix: Any, threshold: float = 0.9, advance: Callable[[int], None] = lambda rows: None
) -> NDArray[np.int64]:
    """m_i = number of rows j, i itself among them, with cos(g_i − μ, g_j − μ) > threshold, where μ is the mean row.

    With weights 1/m_i a row that occurs m times counts about once. A row equal to the mean has no direction and counts
    itself alone; so does every row of a matrix whose rows are all the same.

    Args:
        matrix: real numbers ``[n, d]``, or `Features`.
        threshold: a cosine, from 0 to below 1.
        advance: told of rows compared with all others, n in all.

    Returns:
        int64 ``[n]``, at least 1. Cost: n²d flops in float64 (each pair once), memory for four tiles of 2048 rows.

    Raises:
        InputError: a threshold out of range; as `Features`.
    """
    features, threshold = read(matrix), _usable(threshold)
    mean, least = _centre(features)
    counts = np.ones(features.n, np.int64)
    for start in range(0, features.n, _SIDE):
        left = _directions(features.array[start : start + _SIDE], mean, least)
        for other in range(start, features.n, _SIDE):
            right = left if other == start else _directions(features.array[other : other + _SIDE], mean, least)
            near = left @ right.T > threshold
            if other == start:
                np.fill_diagonal(near, False)
                counts[start : start + _SIDE] += near.sum(1)
            else:
                counts[start : start + _SIDE] += near.sum(1)
                counts[other : other + _SIDE] += near.sum(0)
        advance(len(left))
    return counts


def have_copies(matrix: Any, rows: NDArray[np.int64], threshold: float = 0.9) -> NDArray[np.bool_]:
    """Of some rows whether another's direction is theirs: m_i > 1, as `multiplicities` counts.

    Args:
        matrix: real numbers ``[n, d]``, or `Features`.
        rows: positions ``[r]``.
        threshold: as of `multiplicities`.

    Returns:
        bool ``[r]``. Cost: 2rnd flops in float64.

    Raises:
        InputError: as `multiplicities`.
    """
    features, threshold = read(matrix), _usable(threshold)
    mean, least = _centre(features)
    asked = _directions(features.rows(rows), mean, least)
    found = np.zeros(len(rows), np.bool_)
    for start in range(0, features.n, _SIDE):
        near = asked @ _directions(features.array[start : start + _SIDE], mean, least).T > threshold
        own = np.flatnonzero((rows >= start) & (rows < start + near.shape[1]))
        near[own, rows[own] - start] = False
        found |= near.any(1)
    return found


def _usable(threshold: float) -> float:
    if not 0 <= threshold < 1:
        raise InputError(f"threshold={threshold}: a cosine from 0 to below 1 tells copies. Give 0.9, say.")
    return threshold


def _centre(features: Features) -> tuple[NDArray[np.float64], float]:
    """The mean row, and the square below which what is left of a row without it is rounding."""
    return row_sum(features.array) / features.n, 1e-12 * float(features.squares.max())


def _directions(rows: NDArray, mean: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """The rows less the mean, of length one; zero where nothing is left of a row."""
    centred = rows.astype(np.float64) - mean
    squares = np.einsum("ij,ij->i", centred, centred)
    with np.errstate(divide="ignore"):
        scale = np.where(squares > least, 1 / np.sqrt(squares), 0.0)
    return centred * scale[:, None]
