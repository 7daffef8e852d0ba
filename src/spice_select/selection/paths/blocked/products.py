"""Float64 matrix products on all threads: compiled ones (`kernel/product.c`) where they are faster, else numpy's."""

import numpy as np

from spice_select.numerics.arrays import Matrix
from spice_select.selection.paths.blocked import kernels
from spice_select.selection.paths.blocked.threads import crew_size, share

LARGE = 2e8  # flops from which on a BLAS is faster, though its threads must be woken


def product(A: Matrix, B: Matrix) -> Matrix:
    """AB."""
    out, flops = np.empty((len(A), B.shape[1])), _flops(A, B)

    def columns(a: int, b: int) -> None:
        np.matmul(A, B[:, a:b], out=out[:, a:b])

    if flops < LARGE and kernels.has_kernel():
        _compiled(out, A, B, 1.0, add=False)
    else:
        share(columns, B.shape[1], flops)
    return out


def subtract_product(out: Matrix, A: Matrix, B: Matrix) -> None:
    """Out ← out − AB, in place."""

    def columns(a: int, b: int) -> None:
        out[:, a:b] -= A @ B[:, a:b]

    if kernels.has_kernel():
        _compiled(out, A, B, -1.0, add=True)
    else:
        share(columns, B.shape[1], _flops(A, B))


def _flops(A: Matrix, B: Matrix) -> float:
    return 2.0 * A.size * B.shape[1]


def _compiled(out: Matrix, A: Matrix, B: Matrix, factor: float, *, add: bool) -> None:
    if A.size and out.size:
        kernels.compiled.product(A, B, out, factor, add, crew_size(_flops(A, B)))
    elif not add:
        out[:] = 0.0  # a sum of no terms
