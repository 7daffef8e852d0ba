"""log det(I + αF) of some rows, by the shortest way that keeps its digits."""

from typing import Any

import numpy as np

from spice_select.numerics.cholesky import lower_root
from spice_select.numerics.tiles import gram, tiles
from spice_select.selection.relaxation.factor import STEEP, factor_of
from spice_select.selection.relaxation.passes import LocalPasses, scaled_rows

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


def information_nearly(matrix: Any, rows: np.ndarray, alpha: float, norms: np.ndarray) -> float:
    """`information_of` to a millionth of its value, in half the time: for random picks, whose spread is far above that.

    Products of rows in float32, sums of tiles and the rest in float64; as it is where αΣ‖g‖² is above `STEEP`. `norms`:
    ‖g‖² of all rows.
    """
    if alpha * float(norms[rows].sum()) > STEEP:
        return information_of(matrix, rows, alpha)
    if len(rows) > matrix.shape[1]:
        total = LocalPasses(matrix, rows, alpha, single=True).weighted_sum(np.ones(len(rows)))
    else:
        tile = scaled_rows(matrix, rows, np.full(len(rows), np.sqrt(alpha)), single=True)
        total = (tile @ tile.T).astype(np.float64)
    total[np.diag_indices_from(total)] += 1
    return 2 * float(np.log(np.diag(lower_root(total))).sum())
