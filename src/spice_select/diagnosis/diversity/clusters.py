"""Groups of rows that point alike: seeded k-means on directions."""

import numpy as np

from spice_select.diagnosis.diversity.directions import Directions
from spice_select.numerics.arrays import Matrix, Rows
from spice_select.numerics.distances import squared_distances

CLUSTERS = 100
"""The most clusters of a pool."""
_ROWS_EACH = 5  # a pool of fewer than 500 rows has fewer clusters
_FITTED = 10_000  # rows that the centres are fitted to; every row is then given to the nearest
_ROUNDS = 50
_ROUNDING = 1e-12  # a row as near as this to a centre is that centre


def cluster_labels(directions: Directions, *, seed: int = 0) -> Rows:
    """The cluster of each row of the pool, int64 ``[n]``, of min(100, n//5), or fewer where rows differ in less ways.

    Lloyd's rounds from centres drawn by k-means++ (Arthur and Vassilvitskii 2007), until no row moves, 50 at most. A
    centre that loses its rows stays where it is.

    Args:
        directions: the pool.
        seed: of the rows that are fitted, and of the first centres.

    Cost: 2·min(n, 10 000)·100·d flops a round, and 2·100·nd once.
    """
    rng = np.random.default_rng((seed, 10))
    fitted = np.sort(rng.choice(directions.n, min(directions.n, _FITTED), replace=False))
    rows = directions.unit(fitted)
    centres = _lloyd(rows, _first_centres(rows, max(1, min(CLUSTERS, directions.n // _ROWS_EACH)), rng))
    return np.concatenate([_nearest_centre(tile, centres) for _, tile in directions.unit_tiles()])


def _first_centres(rows: Matrix, count: int, rng: np.random.Generator) -> Matrix:
    """Rows drawn one by one, each by its squared distance to those before; fewer than `count` where none is left."""
    centres = rows[rng.integers(len(rows), size=1)]
    left = squared_distances(rows, centres)[:, 0]
    while len(centres) < count and (left > _ROUNDING).any():
        drawn = rows[rng.choice(len(rows), size=1, p=left / left.sum())]
        centres = np.vstack([centres, drawn])
        left = np.minimum(left, squared_distances(rows, drawn)[:, 0])
    return centres


def _lloyd(rows: Matrix, centres: Matrix) -> Matrix:
    labels = _nearest_centre(rows, centres)
    for _ in range(_ROUNDS):
        counts = np.bincount(labels, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, rows)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
        moved = _nearest_centre(rows, centres)
        if np.array_equal(moved, labels):
            break
        labels = moved
    return centres


def _nearest_centre(rows: Matrix, centres: Matrix) -> Rows:
    """Of centres equally near, the first."""
    return np.argmin(squared_distances(rows, centres), axis=1)
