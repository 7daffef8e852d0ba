"""log det(I + αF) of some rows, by the shortest way that keeps its digits."""

import numpy as np

from spice_select.numerics.tiles import gram, tiles
from spice_select.selection.relaxation.factor import factor_of

_STEEP = 1e9  # of αΣ‖g‖²: above it log det of the matrix as it stands is off by more than a ten-millionth


def information_of(matrix: np.ndarray, rows: np.ndarray, alpha: float) -> float:
    """Log det(I + αΣ_{i∈rows} g_i g_iᵀ) through the smaller of the k × k and the d × d matrix.

    Above `_STEEP` by QR, twice to four times the work: a determinant of the matrix itself would lose every digit of its
    small eigenvalues, and equal rows would make it zero.
    """
    mass = alpha * sum(float(np.einsum("ij,ij->", tile, tile)) for _, tile in tiles(matrix, rows))
    if mass > _STEEP:
        return max(0.0, factor_of(matrix, rows, alpha).log_determinant)
    # det(I + αGᵀG) = det(I + αGGᵀ)
    total = gram(matrix, rows) if len(rows) > matrix.shape[1] else gram(matrix[rows].T)
    total *= alpha
    total[np.diag_indices_from(total)] += 1
    return float(np.linalg.slogdet(total)[1])
