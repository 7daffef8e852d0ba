"""Small selections made by the slow, obvious greedy, and the truth by trying every subset."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np


def information(features, indices, alpha=1.0):
    """log det(I + αF) by singular values: a determinant would lose half the digits where α‖g‖² is 1e8."""
    rows = np.asarray(features, dtype=np.float64)[np.asarray(indices, dtype=int)]
    return float(np.log1p(alpha * np.linalg.svd(rows, compute_uv=False) ** 2).sum()) if len(rows) else 0.0


@dataclass(frozen=True)
class Picked:
    indices: np.ndarray
    gains: np.ndarray
    bases: np.ndarray
    conflicts: np.ndarray
    pools: np.ndarray


def conflict(rows, chosen, candidate):
    """max(0, −cos) with the mean of the chosen rows; 0 for the first."""
    if not chosen:
        return 0.0
    mean, g = rows[chosen].mean(axis=0), rows[candidate]
    return max(0.0, -float(g @ mean) / (float(np.linalg.norm(g) * np.linalg.norm(mean)) + 1e-8))


def naive(features, k, alpha=1.0, weight=0.0, candidates=None, pool=0):
    rows = np.asarray(features, dtype=np.float64)
    chosen, gains, conflicts = [], [], []
    candidates = list(range(len(rows)) if candidates is None else candidates)
    for _ in range(k):
        value = information(rows, chosen, alpha)
        free = [x for x in candidates if x not in chosen]
        deltas = [information(rows, [*chosen, x], alpha) - value for x in free]
        hinges = [conflict(rows, chosen, x) for x in free]
        best = int(np.argmax(np.array(deltas) - weight * np.array(hinges)))
        chosen.append(free[best])
        gains.append(deltas[best])
        conflicts.append(hinges[best])
    bases = np.log1p(alpha * (rows[chosen] ** 2).sum(axis=1))
    return Picked(np.array(chosen), np.array(gains), bases, np.array(conflicts), np.full(k, pool))


def pooled(features, k_each, pools, alpha=1.0, weight=0.0):
    """The naive greedy in each of some lists of rows, its state empty at the start of each."""
    parts = [naive(features, k_each, alpha, weight, rows, number) for number, rows in enumerate(pools)]
    return Picked(*(np.concatenate([getattr(p, f) for p in parts]) for f in Picked.__dataclass_fields__))


def optimum(features, k, alpha=1.0):
    """F(S*) over every subset of k rows."""
    return max(information(features, list(s), alpha) for s in combinations(range(len(features)), k))
