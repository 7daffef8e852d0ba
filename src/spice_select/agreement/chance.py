"""What two blind picks of k rows out of n have in common: the hypergeometric distribution."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Chance:
    """The overlap of two independent random picks of k rows out of n.

    Attributes:
        mean: k²/n.
        low, high: the central 95 %: each tail beyond them holds at most 2.5 %.
        at_least: the probability of as many rows in common as were seen, or more.
    """

    mean: float
    low: int
    high: int
    at_least: float


def chance_overlap(n: int, k: int, seen: int) -> Chance:
    """Exact. Cost: O(k).

    Args:
        n: rows.
        k: rows in each pick, at most n.
        seen: rows in common that were seen.
    """
    probabilities = _probabilities(n, k)
    below = np.cumsum(probabilities)
    return Chance(
        mean=k * k / n,
        low=int(np.searchsorted(below, 0.025, side="right")),
        high=int(np.searchsorted(below, 0.975)),
        at_least=float(min(1.0, probabilities[seen:].sum())),
    )


def _probabilities(n: int, k: int) -> NDArray[np.float64]:
    """P(overlap = t) for t = 0 … k, float64 ``[k+1]``."""
    least = max(0, 2 * k - n)
    logs = np.full(k + 1, -np.inf)
    for t in range(least, k + 1):
        logs[t] = _log_choose(k, t) + _log_choose(n - k, k - t) - _log_choose(n, k)
    return np.exp(logs)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
