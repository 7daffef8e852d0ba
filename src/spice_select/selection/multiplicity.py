"""How often each row's direction occurs: what copies are divided by, so that a target does not count them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.features import Features, read
from spice_select.numerics.tiles import TILE_ENTRIES, row_sum

LOOKED_AT = 256
"""Rows of which copies are looked for: a share of a tenth is then known to ± 4 %, for some seconds of 100,000 rows."""
LEAST_COPIED = 0.1
"""Share of rows with a copy from which copies are counted: clean pools of 600 and 1,500 rows had .004 and less, two
whose rows were copies seven times in ten .86."""
_SIDE = 2048  # rows of a square tile of products: 32 MB in float64
_EVERY = 4  # of so many numbers of a row, one is compared first
_FEW_NUMBERS = 64  # rows of fewer are compared whole
_MANY = 0.01  # share of a tile's pairs from which all of them are compared whole: one by one costs more


def copies_counted(matrix: Any, advance: Callable[[int], None] = lambda rows: None) -> NDArray[np.int64]:
    """`multiplicities` where copies are many (`LEAST_COPIED`, by a look at `LOOKED_AT` rows), else 1 for every row.

    Args:
        matrix: real numbers ``[n, d]``, or `Features`.
        advance: as `multiplicities`.

    Returns:
        int64 ``[n]``. Cost: 512·nd flops, and that of `multiplicities` where copies are many.

    Raises:
        InputError: as `Features`.
    """
    features = read(matrix)
    if copied_share(features) >= LEAST_COPIED:
        return multiplicities(features, advance=advance)
    advance(features.n)
    return np.ones(features.n, np.int64)


def copied_share(matrix: Any) -> float:
    """The share of rows that have a copy, by `LOOKED_AT` of them: always the same places, whatever rows stand there.

    Cost and errors: see `have_copies`.
    """
    features = read(matrix)
    rows = np.random.default_rng(0).choice(features.n, min(features.n, LOOKED_AT), replace=False)
    return float(have_copies(features, np.sort(rows)).mean())


def multiplicities(
    matrix: Any, threshold: float = 0.9, advance: Callable[[int], None] = lambda rows: None
) -> NDArray[np.int64]:
    """m_i = number of rows j, i itself among them, with cos(g_i − μ, g_j − μ) > threshold, where μ is the mean row.

    With weights 1/m_i a row that occurs m times counts about once. A row equal to the mean has no direction and counts
    itself alone; so does every row of a matrix whose rows are all the same.

    Most pairs are told apart by a quarter of their numbers: with u = (a, b), v = (c, d) of length one, cos(u, v) ≤
    a·c + ‖b‖‖d‖. The others are compared whole, in float64.

    Args:
        matrix: real numbers ``[n, d]``, or `Features`.
        threshold: a cosine, from 0 to below 1.
        advance: told of the work as so many rows' share, n in all.

    Returns:
        int64 ``[n]``, at least 1. Cost: n²d/4 flops in float32 where few pairs are alike, else up to n²d in float64 too
        (each pair once); memory for nd/4 float32, and four tiles of 2048 rows.

    Raises:
        InputError: a threshold out of range; as `Features`.
    """
    pairs = _Pairs(read(matrix), _usable(threshold))
    n = pairs.features.n
    counts, told = np.ones(n, np.int64), 0
    for start in range(0, n, _SIDE):
        for other in range(start, n, _SIDE):
            near = pairs.near(start, other)
            if other == start:
                np.fill_diagonal(near, False)
                counts[start : start + _SIDE] += near.sum(1)
            else:
                counts[start : start + _SIDE] += near.sum(1)
                counts[other : other + _SIDE] += near.sum(0)
        done = n - round(max(0, n - start - _SIDE) ** 2 / n)  # later tiles meet fewer others
        advance(done - told)
        told = done
    return counts


class _Pairs:
    """Which rows of two tiles are alike."""

    def __init__(self, features: Features, threshold: float) -> None:
        self.features, self._threshold = features, threshold
        self._mean, self._least = _centre(features)
        self._some = self._of_each() if features.d >= _FEW_NUMBERS else None

    def near(self, start: int, other: int) -> NDArray[np.bool_]:
        """bool: of each row from `start` on with each from `other` on, whether their cosine is above the threshold."""
        if self._some is not None:
            left, right = (self._some[first : first + _SIDE] for first in (start, other))
            rounding = 2 * (left.shape[1] + 8) * float(np.finfo(np.float32).eps)
            near = left @ right.T > self._threshold - rounding
            if np.count_nonzero(near) <= _MANY * near.size:
                self._settle(near, start, other)
                return near
        one = self._tile(start)
        another = one if other == start else self._tile(other)
        return np.asarray(one @ another.T > self._threshold)

    def _of_each(self) -> NDArray[np.float32]:
        """Of each row every fourth number and the length of the rest: their products are no less than the cosines."""
        found = np.empty((self.features.n, -(-self.features.d // _EVERY) + 1), np.float32)
        for start in range(0, self.features.n, _SIDE):
            rows = self._tile(start)
            some = rows[:, ::_EVERY]
            rest = np.einsum("ij,ij->i", rows, rows) - np.einsum("ij,ij->i", some, some)
            found[start : start + _SIDE, :-1] = some
            found[start : start + _SIDE, -1] = np.sqrt(np.maximum(rest, 0.0))
        return found

    def _settle(self, near: NDArray[np.bool_], start: int, other: int) -> None:
        """Compare whole the pairs that may be alike."""
        left, right = np.nonzero(near)
        step = max(1, TILE_ENTRIES // self.features.d)
        for first in range(0, len(left), step):
            i, j = left[first : first + step], right[first : first + step]
            one, another = (
                _directions(self.features.rows(where), self._mean, self._least) for where in (start + i, other + j)
            )
            near[i, j] = np.einsum("ij,ij->i", one, another) > self._threshold

    def _tile(self, start: int) -> NDArray[np.float64]:
        return _directions(self.features.array[start : start + _SIDE], self._mean, self._least)


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
