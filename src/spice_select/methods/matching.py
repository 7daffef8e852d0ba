"""Rows whose mean is the pool's: kernel herding, and how far a choice is from it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.stepwise import TIE_OF_PICKS, lowest_best
from spice_select.numerics.arrays import Matrix, Rows, Vector


def herded(vectors: Matrix, rows: Rows, picked: Sequence[int] = ()) -> Iterator[int]:
    """Positions so that the mean of the first ones stays near the mean μ of all (Welling, ICML 2009).

    w = μ at first; the row of the largest ⟨w, g⟩ is next, then w += μ − g. Equal ones by row number, each row once.

    Args:
        vectors: ``[n, d]``.
        rows: row numbers ``[n]``.
        picked: positions that come before, in whatever order.

    Cost: O(nd) a pick.
    """
    mean = vectors.mean(axis=0)
    wanted = (1 + len(picked)) * mean - vectors[list(picked)].sum(axis=0)
    scale = float(np.linalg.norm(vectors, axis=1).max())
    allowed = np.ones(len(vectors), bool)
    allowed[list(picked)] = False
    while allowed.any():
        slack = TIE_OF_PICKS * scale * float(np.linalg.norm(wanted) + np.linalg.norm(mean))
        pick = lowest_best(vectors @ wanted, allowed, rows, slack)
        yield pick
        allowed[pick] = False
        wanted = wanted + mean - vectors[pick]


def mean_errors(vectors: Matrix, picks: NDArray[np.int64]) -> Vector:
    """‖mean of the first t picks − μ‖ / ‖μ‖ for t = 1 … k, float64 ``[k]``; see `off_by`. Cost: O(kd)."""
    mean, total, errors = vectors.mean(axis=0), np.zeros(vectors.shape[1]), np.empty(len(picks))
    for place, pick in enumerate(picks):
        total += vectors[pick]
        errors[place] = off_by(total / (place + 1), mean)
    return errors


def off_by(found: Vector, mean: Vector) -> float:
    """The distance of a mean from the one that is wanted, as a share of that one's length; infinite if it has none."""
    off, length = float(np.linalg.norm(found - mean)), float(np.linalg.norm(mean))
    if length == 0.0:
        return np.inf if off else 0.0
    return off / length
