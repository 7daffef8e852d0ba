"""Many vectors of a row as a few: a random projection, then the directions that most of their squares lie in."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix
from spice_select.sketch.randomness import Stream

WIDTH = 128
"""Numbers that are kept of a vector; shorter ones are kept as they are."""
DIRECTIONS = 8
"""Directions that are kept of a row."""


def projection(size: int, seed: int, name: str) -> Matrix | None:
    """±1/√128 (Johnson and Lindenstrauss; Achlioptas 2003), float64 ``[size, WIDTH]``; None where nothing is longer.

    Inner products are right on average over seeds, each within some ‖x‖‖y‖/√128.
    """
    if size <= WIDTH:
        return None
    return Stream(seed, name, f"directions/{WIDTH}").signs(size * WIDTH).reshape(size, WIDTH) / np.sqrt(WIDTH)


def main_directions(vectors: Matrix) -> tuple[Matrix, float]:
    """The largest eigenvectors of Σ x xᵀ, each times the root of its eigenvalue, and their share of the trace.

    Args:
        vectors: ``[t, width]``, one or more.

    Returns:
        float64 ``[DIRECTIONS, width]``, rows of zeros where there are fewer, the sign such that the entry of the
        largest size is positive; and a share of 1 where nothing is lost. Cost: O(t·width·min(t, width)).
    """
    _, lengths, axes = np.linalg.svd(vectors, full_matrices=False)
    kept = lengths[:DIRECTIONS, None] * axes[:DIRECTIONS]
    peaks = np.take_along_axis(kept, np.abs(kept).argmax(axis=1, keepdims=True), axis=1)
    found = np.zeros((DIRECTIONS, vectors.shape[1]))
    found[: len(kept)] = np.where(peaks < 0, -kept, kept)
    squares: NDArray[np.float64] = lengths**2
    total = float(squares.sum())
    return found, float(squares[:DIRECTIONS].sum()) / total if total else 1.0
