"""Triangular roots of large matrices, by LAPACK in the memory that is there: numpy copies by columns first."""

import numpy as np
from numpy.typing import NDArray


def lower_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower triangular L [d, d] with LLᵀ = the matrix, symmetric and positive definite; its memory is used up.

    Cost: d³/3 flops. Raises `numpy.linalg.LinAlgError` where the matrix is not positive definite.
    """
    from scipy.linalg import cholesky  # here: whoever only shows a run does not wait for it

    return np.asarray(cholesky(matrix.T, overwrite_a=True, check_finite=False)).T


def upper_root(stacked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper triangular R [d, d] with RᵀR = AᵀA of A [m, d], m ≥ d, in the order of columns; its memory is used up.

    Cost: 2d²(m − d/3) flops.
    """
    from scipy.linalg.lapack import dgeqrf

    d = stacked.shape[1]
    found, *_ = dgeqrf(stacked, lwork=64 * d, overwrite_a=True)
    return np.triu(found[:d])
