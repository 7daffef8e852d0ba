"""Squared distances between directions."""

import numpy as np

from spice_select.numerics.arrays import Matrix


def squared_distances(left: Matrix, right: Matrix) -> Matrix:
    """‖a − b‖² of all pairs, float64 ``[m, n]``, not below 0; 2(1 − cos) where both have length one.

    A row of zeros is 1 from every direction and 0 from another such row.

    Args:
        left: ``[m, d]``, rows of length one or zeros.
        right: ``[n, d]``, likewise.

    Cost: 2mnd flops.
    """
    found = -2.0 * (left @ right.T)
    found += np.einsum("ij,ij->i", left, left)[:, None]
    found += np.einsum("ij,ij->i", right, right)
    return np.maximum(found, 0.0, out=found)


def cosine_distances(rows: Matrix) -> Matrix:
    """1 − cos of all pairs of `rows` ``[m, d]``, half of `squared_distances`; 0 on the diagonal. float64 ``[m, m]``."""
    found = squared_distances(rows, rows) / 2
    np.fill_diagonal(found, 0.0)
    return found
