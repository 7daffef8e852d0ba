"""The Gaussian kernel of directions: its scale, from the pool, and the log determinant of some rows."""

import numpy as np

from spice_select.diagnosis.diversity.directions import Directions
from spice_select.diagnosis.diversity.undefined import UndefinedNumberError
from spice_select.numerics.arrays import Matrix
from spice_select.numerics.distances import squared_distances
from spice_select.numerics.pairs import row_pairs
from spice_select.numerics.tiles import tile_rows

SCALE_PAIRS = 2000
"""Pairs of rows of the pool that the kernel's scale is taken from."""
RIDGE = 1e-8
"""What the kernel's diagonal is raised by, so that rows that are alike have a determinant."""
_ROUNDING = 2e-12
"""A squared distance of directions up to here is rounding: as `squared_distances` has it, and as float32 rows do."""


def kernel_scale(directions: Directions, *, seed: int = 0) -> float:
    """γ = 1/median ‖z_i − z_j‖² over `SCALE_PAIRS` pairs of the pool's centred directions: one for all choices of it.

    Raises:
        UndefinedNumberError: the pool has one row, or half of the pairs are of rows so near to equal that rounding
            would move the kernel by more than its ridge.

    Cost: 4000·d.
    """
    left, right = row_pairs(directions.n, SCALE_PAIRS, seed)
    if not len(left):
        raise UndefinedNumberError("the pool has one row, and the kernel's scale is a distance of two")
    size = tile_rows(directions.d)
    blocks = (slice(start, start + size) for start in range(0, len(left), size))
    gaps = (directions.centred(left[block]) - directions.centred(right[block]) for block in blocks)
    median = float(np.median(np.concatenate([np.einsum("ij,ij->i", gap, gap) for gap in gaps])))
    if RIDGE * median < _ROUNDING:
        raise UndefinedNumberError(
            "half of the pool's pairs, or more, are of equal rows, or nearly so: the kernel's scale would be rounding"
        )
    return 1.0 / median


def kernel_log_det(rows: Matrix, gamma: float) -> float:
    """Log det(K + RIDGE·I) with K_ij = exp(−γ‖z_i − z_j‖²), by Cholesky.

    Args:
        rows: ``[m, d]``, of length one or zeros.
        gamma: γ.

    Raises:
        UndefinedNumberError: rounding leaves the kernel no determinant above 0.

    Cost: 2m²d + m³/3 flops.
    """
    kernel = np.exp(-gamma * squared_distances(rows, rows))
    kernel[np.diag_indices_from(kernel)] = 1.0 + RIDGE
    try:
        factor = np.linalg.cholesky(kernel)
    except np.linalg.LinAlgError as error:
        raise UndefinedNumberError(
            f"the kernel of {len(rows)} rows has no determinant above 0 at its scale, but for rounding"
        ) from error
    return 2.0 * float(np.log(np.diag(factor)).sum())
