"""Exact nearest neighbours by Euclidean distance, a block of rows at a time."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.distances import squared_distances
from spice_select.numerics.tiles import tile_rows
from spice_select.progress import Progress


def neighbours_of(
    queries: NDArray[np.float64], points: NDArray[np.float64], count: int, progress: Progress, *, what: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The points nearest each query, the nearest first, equally near ones by position.

    Squared distances are computed in float64 and rounded, so that equal points tie.

    Args:
        queries, points: ``[m, d]`` and ``[n, d]``.
        count: how many, at most n.
        progress: shown the queries answered.
        what: the bar is called.

    Returns:
        Positions int64 ``[m, count]``, and squared distances float32 ``[m, count]``. Cost: O(mnd).
    """
    found = np.empty((len(queries), count), np.int64)
    squares = np.empty((len(queries), count), np.float32)
    with progress.task(what, len(queries), "rows") as advance:
        for start in range(0, len(queries), size := tile_rows(len(points))):
            block = slice(start, start + size)
            apart = squared_distances(queries[block], points).astype(np.float32)
            near = np.sort(np.argpartition(apart, count - 1, axis=1)[:, :count], axis=1)
            inside = np.argsort(np.take_along_axis(apart, near, axis=1), axis=1, kind="stable")
            found[block] = np.take_along_axis(near, inside, axis=1)
            squares[block] = np.take_along_axis(apart, found[block], axis=1)
            advance(len(apart))
    return found, squares
