"""Float64 matrix products on all threads: the compiled ones, or numpy's where there are none."""

import numpy as np
from numpy.typing import NDArray

from spice_select.selection import kernels
from spice_select.selection.threads import share, thread_count

Matrix = NDArray[np.float64]
ALONE = 2e5  # flops that a thread has done before another has joined it


def product(A: Matrix, B: Matrix) -> Matrix:
    """AB."""
    out = np.empty((len(A), B.shape[1]))
    _into(out, A, B, 1.0, False)
    return out


def subtract_product(out: Matrix, A: Matrix, B: Matrix) -> None:
    """Out ← out − AB, in place."""
    _into(out, A, B, -1.0, True)


def _into(out: Matrix, A: Matrix, B: Matrix, factor: float, add: bool) -> None:
    flops = 2.0 * A.size * B.shape[1]
    if not kernels.has_kernel():
        share(lambda a, b: _columns(out[:, a:b], A, B[:, a:b], factor, add), B.shape[1], flops)
    elif not A.size and not add:
        out[:] = 0.0  # a sum of no terms
    elif A.size and out.size:
        kernels.compiled.product(A, B, out, factor, add, thread_count() if flops > ALONE else 1)


def _columns(out: Matrix, A: Matrix, B: Matrix, factor: float, add: bool) -> None:
    if add:
        out += factor * (A @ B)
    else:
        np.matmul(A, B, out=out)
