"""The Cholesky factor of a large matrix, which numpy computes at half the speed of LAPACK: it copies by columns."""

import numpy as np
from numpy.typing import NDArray


def lower_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower triangular L [d, d] with LLᵀ = the matrix, symmetric and positive definite; its memory is used up.

    Cost: d³/3 flops. Raises `numpy.linalg.LinAlgError` where the matrix is not positive definite.
    """
    from scipy.linalg import cholesky  # here: whoever only shows a run does not wait for it

    return np.asarray(cholesky(matrix.T, overwrite_a=True, check_finite=False)).T
