"""Squared distances of all pairs of two sets of points."""

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-12
"""What is less than this share of the squared lengths is rounding."""


def squared_distances(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """‖p − q‖² of all points ``[n, d]`` and others ``[m, d]``, float64 ``[n, m]``; what is rounding is 0.

    2(1 − cos) where both have length one; a row of zeros is then 1 from every direction and 0 from another such row.
    Cost: 2nmd flops.
    """
    sums = np.einsum("ij,ij->i", points, points)[:, None] + np.einsum("ij,ij->i", others, others)
    squares = sums - 2 * (points @ others.T)
    return np.where(squares > _ROUNDING * sums, squares, 0.0)
