"""How crowded the pool is about a row."""

import numpy as np

from spice_select.diagnosis.diversity.directions import Directions
from spice_select.numerics.arrays import Matrix, Rows, Vector
from spice_select.numerics.distances import squared_distances

NEIGHBOURS = 10
_FLOOR = 1e-9  # of the mean squared distance: copies are not infinitely crowded
_BLOCK = 1024  # rows whose distances to a tile of the pool are held at once


def crowding(directions: Directions, rows: Rows, *, neighbours: int = NEIGHBOURS) -> Vector:
    """1/(mean squared distance to the nearest rows of the pool + 1e-9) of each row, float64 ``[m]``.

    A row is no neighbour of itself, by its position; a copy of it is.

    Args:
        directions: the pool.
        rows: ``[m]``, positions in it.
        neighbours: how many; all others in a pool of fewer, and where there is none a row stands in no crowd: 0.

    Cost: 2mnd flops.
    """
    count = min(neighbours, directions.n - 1)
    if count < 1:
        return np.zeros(len(rows))
    blocks = (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))
    return np.concatenate([1.0 / (_nearest(directions, block, count).mean(axis=1) + _FLOOR) for block in blocks])


def _nearest(directions: Directions, rows: Rows, count: int) -> Matrix:
    """The `count` least squared distances of each row, float64 ``[m, count]``."""
    own = directions.unit(rows)
    best = np.full((len(rows), count), np.inf)
    for start, tile in directions.unit_tiles():
        found = squared_distances(own, tile)
        here = np.flatnonzero((rows >= start) & (rows < start + len(tile)))
        found[here, rows[here] - start] = np.inf
        best = np.partition(np.hstack([best, found]), count - 1, axis=1)[:, :count]
    return best
