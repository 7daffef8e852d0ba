"""How far the rows of a choice lie from the nearest other."""

import numpy as np

from spice_select.diagnosis.diversity.undefined import UndefinedNumberError
from spice_select.numerics.arrays import Matrix


def nearest_distance(distances: Matrix) -> float:
    """Mean over rows of the least distance to another, 0 where each has a copy. Compare it at equal m only.

    Args:
        distances: 1 − cos of all pairs, ``[m, m]``; see `cosine_distances`.

    Raises:
        UndefinedNumberError: fewer than two rows.
    """
    if len(distances) < 2:
        raise UndefinedNumberError("one row is compared, and it has no nearest other")
    apart = distances.copy()
    np.fill_diagonal(apart, np.inf)
    return float(apart.min(axis=1).mean())
