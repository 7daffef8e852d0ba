"""Cosine distances between directions."""

import numpy as np

from spice_select.numerics.arrays import Matrix
from spice_select.numerics.distances import squared_distances


def cosine_distances(rows: Matrix) -> Matrix:
    """1 − cos of all pairs of `rows` ``[m, d]``, half of `squared_distances`; 0 on the diagonal. float64 ``[m, m]``."""
    found = squared_distances(rows, rows) / 2
    np.fill_diagonal(found, 0.0)
    return found
