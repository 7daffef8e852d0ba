"""What a choice may hold, seen as a constraint on sums: so many rows, or rows of so much cost.

A bound on information needs three things of it: the most that non-negative values can add up to over any choice, the
most rows a choice can have, and how fractional weights are brought within it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

SPARE = 1e-9  # a cost budget is widened by this much, relatively: above the rounding of the sums of costs


class Constraint(Protocol):
    """The choices that are allowed."""

    @property
    def rows(self) -> int:
        """The most rows that one can have."""
        ...

    def most(self, values: np.ndarray) -> float:
        """An upper bound on Σ_{i∈S} values_i over all choices S, for values ≥ 0, float64 [n]."""
        ...

    def contenders(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """All rows that can count in `most(values)` for some low ≤ values ≤ high, float64 [n] each."""
        ...

    def capped(self, weights: np.ndarray) -> np.ndarray:
        """min(1, c·w), with c such that the budget is just used up; 1 wherever w > 0 if it cannot be."""
        ...

    def rates(self, values: np.ndarray) -> np.ndarray:
        """What each row brings for what it takes of the budget, up to a factor."""
        ...

    def part(self, rows: np.ndarray) -> "Constraint":
        """The same over some of the rows."""
        ...


@dataclass(frozen=True)
class Cardinality:
    """Any choice of at most `rows` rows."""

    rows: int

    def most(self, values: np.ndarray) -> float:
        """The sum of the largest. O(n)."""
        return sum_of_largest(values, self.rows)

    def contenders(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Those that may reach the k-th largest of the low ones. O(n)."""
        cut = len(low) - self.rows
        return np.arange(len(low)) if cut <= 0 else np.flatnonzero(high >= np.partition(low, cut)[cut])

    def capped(self, weights: np.ndarray) -> np.ndarray:
        """O(n log n)."""
        return _cap(weights, np.ones(len(weights)), self.rows)

    def rates(self, values: np.ndarray) -> np.ndarray:
        """The values themselves."""
        return values

    def part(self, rows: np.ndarray) -> "Cardinality":
        """No fewer rows for there being fewer to choose from."""
        return self


@dataclass(frozen=True, eq=False)
class Knapsack:
    """Any choice whose `costs` (float64 [n], above 0) add up to no more than `limit`."""

    costs: np.ndarray
    limit: float

    @property
    def rows(self) -> int:
        """The cheapest rows until the budget is used up."""
        spent = np.cumsum(np.sort(self.costs))
        return max(1, int(np.searchsorted(spent, self.limit * (1 + SPARE), side="right")))

    def most(self, values: np.ndarray) -> float:
        """The fractional knapsack (Dantzig 1957): the best for their cost, the last of them in part. O(n log n)."""
        values = self._affordable(values)
        order, spent, whole = self._filled(values)
        total = float(values[order[:whole]].sum())
        if whole < len(order):
            left = self.limit * (1 + SPARE) - (float(spent[whole - 1]) if whole else 0.0)
            total += float(values[order[whole]]) * min(1.0, left / float(self.costs[order[whole]]))
        return total

    def contenders(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Those that may bring as much for their cost as the last row for which the low ones leave room: the higher
        the values, the higher the rate at which the knapsack is full. O(n log n).
        """
        low, high = self._affordable(low), self._affordable(high)
        order, _, whole = self._filled(low)
        if whole == len(order):
            return np.arange(len(low))
        return np.flatnonzero(self.rates(high) >= self.rates(low)[order[whole]])

    def _affordable(self, values: np.ndarray) -> np.ndarray:
        return np.where(self.costs <= self.limit * (1 + SPARE), values, 0.0)

    def _filled(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Rows by what they bring for their cost, what they cost up to each, and how many of them fit whole."""
        order = np.argsort(-self.rates(values), kind="stable")
        spent = np.cumsum(self.costs[order])
        return order, spent, int(np.searchsorted(spent, self.limit * (1 + SPARE), side="right"))

    def capped(self, weights: np.ndarray) -> np.ndarray:
        """O(n log n)."""
        return _cap(weights, self.costs, self.limit)

    def rates(self, values: np.ndarray) -> np.ndarray:
        """Values per cost."""
        return values / self.costs

    def part(self, rows: np.ndarray) -> "Knapsack":
        """The same limit for fewer rows."""
        return Knapsack(self.costs[rows], self.limit)


def sum_of_largest(values: np.ndarray, k: int) -> float:
    """The sum of the k largest values."""
    cut = len(values) - k
    return float(np.partition(values, cut)[cut:].sum()) if cut > 0 else float(values.sum())


def _cap(weights: np.ndarray, prices: np.ndarray, limit: float) -> np.ndarray:
    """min(1, c·w) with c such that Σ prices·min(1, c·w) = limit; where that cannot be, 1 for every positive weight."""
    order = np.argsort(-weights, kind="stable")
    falling, dear = weights[order], prices[order]
    rest = np.cumsum((dear * falling)[::-1])[::-1]
    left = limit - (np.cumsum(dear) - dear)
    with np.errstate(divide="ignore", invalid="ignore"):
        scales = np.maximum(left, 0.0) / rest
        fits = np.flatnonzero(scales * falling <= 1)
    if not len(fits) or dear[falling > 0].sum() <= limit:
        return (weights > 0).astype(float)
    return np.minimum(1.0, scales[fits[0]] * weights)
