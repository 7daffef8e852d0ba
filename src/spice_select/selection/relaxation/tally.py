"""The sum of the k largest of values that lie apart, bounded by counts and sums in a few bins.

Σ of the k largest ≤ kτ + Σ max(0, v − τ) for *any* τ, with equality at the k-th largest. With costs c and a limit C,
τ is a price: Σ over any choice ≤ Cτ + Σ max(0, v − τc) (Dantzig 1957, by duality). So no value leaves its place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.relaxation.constraint import SPARE

BINS = 64
_RATIO = 2.0**0.25  # of an edge to the next: 64 bins reach down to a 65,536th of the largest value


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """For each edge, of the rows whose value per cost is above it: what they cost, and their values' sum.

    `costs`: a row's cost, 1 where rows are counted. Tallies with the same edges add up.
    """

    edges: NDArray[np.float64]
    costs: NDArray[np.float64]
    sums: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64], costs: NDArray[np.float64] | None, edges: NDArray[np.float64]) -> "Tally":
        """That of values ≥ 0, float64 [n]; `edges` ascending. O(n log(edges))."""
        rates = values if costs is None else values / costs
        place = np.searchsorted(edges, rates, side="left")  # how many edges lie below
        spent = np.bincount(place, weights=costs, minlength=len(edges) + 1)
        worth = np.bincount(place, weights=values, minlength=len(edges) + 1)
        # Above edge j: all with more than j edges below them.
        above = (np.cumsum(part[::-1])[::-1][1:].astype(np.float64) for part in (spent, worth))
        costs_above, sums_above = above
        return cls(edges=edges, costs=costs_above, sums=sums_above)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(edges=self.edges, costs=self.costs + other.costs, sums=self.sums + other.sums)

    def most(self, limit: float) -> float:
        """An upper bound on the most that values add up to within the limit: the best of all edges as τ."""
        return float(self._bounds(limit).min())

    def closer(self, limit: float) -> NDArray[np.float64]:
        """Edges for a second look, between the neighbours of the best."""
        at = int(self._bounds(limit).argmin())
        return np.linspace(self.edges[max(0, at - 1)], self.edges[min(len(self.edges) - 1, at + 1)], BINS + 1)

    def _bounds(self, limit: float) -> NDArray[np.float64]:
        return limit * (1 + SPARE) * self.edges + self.sums - self.edges * self.costs + 1e-12 * self.sums


def geometric(largest: float) -> NDArray[np.float64]:
    """64 bins from 0 up to the largest rate."""
    return np.append(0.0, largest * _RATIO ** np.arange(1 - BINS, 1.0))
