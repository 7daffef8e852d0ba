"""Passes over rows on shards: what the relaxation and its bounds ask, as a map and a sum."""

from collections.abc import Callable
from functools import partial, reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import Features
from spice_select.numerics.tiles import gram
from spice_select.selection.partitioned.messages import ShardPort
from spice_select.selection.partitioned.spread import SpreadFeatures
from spice_select.selection.relaxation.bounds import tangent_above
from spice_select.selection.relaxation.brackets import Bracketed
from spice_select.selection.relaxation.constraint import SPARE, Cardinality, Knapsack
from spice_select.selection.relaxation.factor import Forms
from spice_select.selection.relaxation.passes import LocalPasses, Passes
from spice_select.selection.relaxation.tally import Tally, geometric


class ShardPasses:
    """The passes over one shard's rows `first` …; see `ShardPort`."""

    def __init__(self, features: Features, first: int) -> None:
        self._features, self._first = features, first
        self._measured: Bracketed | None = None

    def squares(self) -> NDArray[np.float64]:
        """‖g‖² of each row."""
        return self._features.squares

    def gram(self, weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Σ w g gᵀ: nd² flops."""
        return gram(self._features.array, weights=weights)

    def weighted_sum(
        self, rows: NDArray[np.int64], weights: NDArray[np.float64], alpha: float, single: bool
    ) -> NDArray[np.float64]:
        """See `Passes`."""
        return self._passes(rows, alpha, single).weighted_sum(weights)

    def image_squares(
        self, rows: NDArray[np.int64], inverse_root: NDArray[np.float64], alpha: float, single: bool
    ) -> NDArray[np.float64]:
        """See `Passes`."""
        return self._passes(rows, alpha, single).squares(inverse_root)

    def _passes(self, rows: NDArray[np.int64], alpha: float, single: bool) -> LocalPasses:
        return LocalPasses(self._features.array, rows - self._first, alpha, single=single)

    def measure(self, inverse_root: NDArray[np.float64], alpha: float) -> float:
        """See `Bracketed`, whose cost this is; kept until the next."""
        self._measured = Bracketed(self._features.array, inverse_root, alpha, self._features.squares)
        return float(self._measured.high.max())

    @property
    def _forms(self) -> Bracketed:
        if self._measured is None:
            raise RuntimeError("nothing was measured")
        return self._measured

    def brackets(self) -> Forms:
        """What was measured."""
        return Forms(low=self._forms.low, high=self._forms.high)

    def settle(self, rows: NDArray[np.int64]) -> Forms:
        """Those of some rows in float64."""
        at = rows - self._first
        self._forms.settle(at)
        return Forms(low=self._forms.low[at], high=self._forms.high[at])

    def tally(self, edges: NDArray[np.float64], costs: NDArray[np.float64] | None, limit: float) -> Tally:
        """See `Tally`."""
        high = self._forms.high
        return Tally.of(high if costs is None else np.where(costs <= limit * (1 + SPARE), high, 0.0), costs, edges)


class SpreadPasses:
    """`Passes` over some rows on shards: d² numbers come back from each, and 8 bytes a row go and come."""

    def __init__(self, features: SpreadFeatures, rows: NDArray[np.int64], alpha: float, *, single: bool) -> None:
        self._features, self._rows, self._alpha, self.single = features, rows, alpha, single
        self.d = features.d
        self._parts = [features.part(number, rows) for number in range(len(features.shards))]

    def weighted_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Passes`."""
        total = np.zeros((self.d, self.d))
        for number, part in enumerate(self._parts):
            counted = part & (weights > 0)
            total += self._features.ask(number, partial(self._sum, self._rows[counted], weights[counted]))
        return total

    def squares(self, inverse_root: NDArray[np.float64]) -> NDArray[np.float64]:
        """See `Passes`."""
        out = np.empty(len(self._rows))
        for number, part in enumerate(self._parts):
            out[part] = self._features.ask(number, partial(self._square, self._rows[part], inverse_root))
        return out

    def _sum(self, rows: NDArray[np.int64], weights: NDArray[np.float64], shard: ShardPort) -> NDArray[np.float64]:
        return shard.weighted_sum(rows, weights, self._alpha, self.single)

    def _square(self, rows: NDArray[np.int64], root: NDArray[np.float64], shard: ShardPort) -> NDArray[np.float64]:
        return shard.image_squares(rows, root, self._alpha, self.single)


def passes_over(features: Features, rows: NDArray[np.int64] | None, alpha: float, *, single: bool) -> Passes:
    """Those over some rows (None: all), wherever they lie."""
    if isinstance(features, SpreadFeatures):
        return SpreadPasses(features, np.arange(features.n) if rows is None else rows, alpha, single=single)
    return LocalPasses(features.array, rows, alpha, single=single)


class SpreadMeasure:
    """α‖Bg‖² of all rows, bounded on their shards by the same B; a shard that was lost measures again."""

    def __init__(self, features: SpreadFeatures, inverse_root: NDArray[np.float64], alpha: float) -> None:
        self.features, self._root, self._alpha = features, inverse_root, alpha
        self._measured: list[ShardPort | None] = [None] * len(features.shards)
        self.largest = [0.0] * len(features.shards)

    def ask(self, number: int, question: Callable[[ShardPort], Any]) -> Any:
        """An answer about what was measured there."""
        return self.features.ask(number, partial(self._answer, number, question))

    def all(self, question: Callable[[ShardPort], Any]) -> list[Any]:
        """That of every shard."""
        return [self.ask(number, question) for number in range(len(self.features.shards))]

    def _answer(self, number: int, question: Callable[[ShardPort], Any], shard: ShardPort) -> Any:
        if self._measured[number] is not shard:
            self.largest[number] = shard.measure(self._root, self._alpha)
            self._measured[number] = shard
        return question(shard)


def tallied_bound(
    features: SpreadFeatures, inverse_root: NDArray[np.float64], alpha: float, budget: Cardinality | Knapsack
) -> float:
    """B2 for any lower triangular B [d, d], with nothing as long as the rows on the way; never below the exact one.

    Each shard answers with the largest α‖Bg‖², then with counts and sums in 64 bins, twice. 2nd² flops in float32.
    """
    measure = SpreadMeasure(features, inverse_root, alpha)
    measure.all(lambda shard: None)
    costs = budget.costs if isinstance(budget, Knapsack) else None
    limit = budget.limit if isinstance(budget, Knapsack) else float(budget.rows)
    edges = geometric(max(measure.largest) / (1.0 if costs is None else float(costs.min())))
    first = _tally(measure, edges, costs, limit)
    second = _tally(measure, first.closer(limit), costs, limit)
    return tangent_above(min(first.most(limit), second.most(limit)), inverse_root)


def _tally(
    measure: SpreadMeasure, edges: NDArray[np.float64], costs: NDArray[np.float64] | None, limit: float
) -> Tally:
    ends, found = measure.features.edges, []
    for number in range(len(ends) - 1):
        own = None if costs is None else costs[ends[number] : ends[number + 1]]
        found.append(measure.ask(number, partial(_count, edges, own, limit)))
    return reduce(add, found)


def _count(edges: NDArray[np.float64], costs: NDArray[np.float64] | None, limit: float, shard: ShardPort) -> Tally:
    return shard.tally(edges, costs, limit)


def _settle(rows: NDArray[np.int64], shard: ShardPort) -> Forms:
    return shard.settle(rows)


class SpreadBrackets:
    """`Bracketed` of rows on shards: B goes out, 16 bytes a row come back."""

    def __init__(self, features: SpreadFeatures, inverse_root: NDArray[np.float64], alpha: float) -> None:
        self._measured = SpreadMeasure(features, inverse_root, alpha)
        found = self._measured.all(lambda shard: shard.brackets())
        self.low = np.concatenate([forms.low for forms in found])
        self.high = np.concatenate([forms.high for forms in found])
        self._settled = np.zeros(features.n, dtype=bool)

    def settle(self, rows: NDArray[np.int64]) -> None:
        """See `Bracketed.settle`."""
        new = rows[~self._settled[rows]]
        features = self._measured.features
        for number in range(len(features.shards)):
            asked = new[features.part(number, new)]
            if len(asked):
                exact = self._measured.ask(number, partial(_settle, asked))
                self.low[asked], self.high[asked] = exact.low, exact.high
        self._settled[new] = True
