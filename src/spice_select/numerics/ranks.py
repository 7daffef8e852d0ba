"""Spearman's rank correlation, with the mean rank for ties."""

import numpy as np


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks 1..m, float64; equal values share the mean of the ranks they take up."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(left: np.ndarray, right: np.ndarray) -> float:
    """Spearman's ρ of two lists of m values; NaN where m < 3 or one of them does not vary."""
    if len(left) < 3:
        return float("nan")
    a, b = ranks(np.asarray(left)), ranks(np.asarray(right))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")
