"""How far two sets of features of the same rows are apart, and how many picks they share."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.features.normalise import normalised
from spice_select.selection import Conflict, LogDet, greedy

FIRST = 0
"""The row that is picked first: all first gains tie under unit norms, and a run takes the lowest row."""


def picks(features: NDArray[np.float32], count: int) -> set[int]:
    """What a run with default settings (unit norms, log det, α = 1, λ = 0.1) picks, the first one forced."""
    rows = normalised(features, "unit")
    chosen = greedy(rows, count, objective=LogDet(alpha=1.0), penalty=Conflict(weight=0.1), forced=[FIRST])
    return set(chosen.indices.tolist())


def moved(reference: NDArray[np.float32], other: NDArray[np.float32]) -> dict[str, float]:
    """How far each row's feature lies from the reference's, by the reference's length: median and largest."""
    distance = np.linalg.norm(other - reference, axis=1) / np.linalg.norm(reference, axis=1)
    return {"median": float(np.median(distance)), "largest": float(distance.max())}


def cosines_moved(reference: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Root mean square, over pairs of rows, of the change of their cosine."""
    return float(np.sqrt(np.mean((_cosines(other) - _cosines(reference)) ** 2)))


def against(reference: NDArray[np.float32], other: NDArray[np.float32], counts: Sequence[int]) -> dict[str, Any]:
    """Two computations ``[seeds, n, dim]``, sketch by sketch: how far apart (first seed), and picks shared by seed."""
    shared = {k: [len(picks(a, k) & picks(b, k)) for a, b in zip(reference, other, strict=True)] for k in counts}
    return {
        "moved": moved(reference[0], other[0]),
        "cosines_moved": cosines_moved(reference[0], other[0]),
        "shared": shared,
    }


def between_seeds(features: NDArray[np.float32], counts: Sequence[int]) -> dict[str, Any]:
    """The sketch's own noise: every two seeds of one computation ``[seeds, n, dim]``."""
    pairs = list(combinations(range(len(features)), 2))
    chosen = {k: [picks(values, k) for values in features] for k in counts}
    return {
        "cosines": float(np.sqrt(np.mean(_cosines(features[0]) ** 2))),
        "cosines_moved": [cosines_moved(features[a], features[b]) for a, b in pairs],
        "shared": {k: [len(sets[a] & sets[b]) for a, b in pairs] for k, sets in chosen.items()},
    }


def _cosines(features: NDArray[np.float32]) -> NDArray[np.float64]:
    rows = normalised(features, "unit")
    cosines: NDArray[np.float64] = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return cosines
