"""k-means of numbers on a line."""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 100


def scalar_clusters(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The cluster of each value, int64 ``[n]``, 0 … count − 1 from low to high; equal values share one.

    Lloyd's rounds from the middles of `count` equal shares of the sorted values, so nothing is drawn; until no centre
    moves, 100 rounds at most. A cluster may be left empty. Cost: O(n log count) a round.
    """
    centres = np.quantile(values, (np.arange(count) + 0.5) / count)
    labels = np.zeros(len(values), np.int64)
    for _ in range(_ROUNDS):
        labels = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        sizes = np.bincount(labels, minlength=count)
        sums = np.bincount(labels, values, minlength=count)
        moved = np.divide(sums, sizes, out=centres.copy(), where=sizes > 0)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return labels
