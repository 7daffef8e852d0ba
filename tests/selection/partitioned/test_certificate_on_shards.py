"""The certificate as a map and a sum: that of one machine where values travel, and above it where only counts do."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis.certificates import certificate
from spice_select.selection import LogDet, greedy
from spice_select.selection.partitioned import Shard, ShardLostError
from spice_select.selection.partitioned.passes import tallied_bound
from spice_select.selection.relaxation.bounds import tangent_bound
from spice_select.selection.relaxation.constraint import Cardinality, Knapsack
from spice_select.selection.relaxation.tally import Tally, geometric
from spice_select.testing.selection import sample_features
from tests.selection.partitioned.spread_rows import spread


def inverse_root(rows, alpha, noise=0.0, rng=None):
    matrix = np.eye(rows.shape[1]) + alpha * rows.T @ rows
    lower = np.linalg.inv(np.linalg.cholesky(matrix))
    return lower if rng is None else lower * (1 + noise * np.tril(rng.standard_normal(lower.shape)))


def best_of_all(features, alpha, fits):
    n, d = features.shape
    values = [
        np.linalg.slogdet(np.eye(d) + alpha * features[list(some)].T @ features[list(some)])[1]
        for size in range(1, n + 1)
        for some in combinations(range(n), size)
        if fits(some)
    ]
    return max(values, default=0.0)


def test_no_bound_is_below_the_best_subset_whoever_made_b():
    """2,500 cases: any B, of one shard's rows or with noise, any cut into shards, rows or tokens."""
    rng = np.random.default_rng(0)
    for case in range(2500):
        n, d = int(rng.integers(4, 8)), int(rng.integers(2, 6))
        features = rng.standard_normal((n, d)) * rng.lognormal(0, 1, size=(n, 1))
        alpha = float(10.0 ** rng.uniform(-2, 2))
        chosen = rng.permutation(n)[: rng.integers(1, n + 1)]
        B = inverse_root(features[chosen], alpha, 0.01, rng if case % 2 else None)
        if case % 3:
            k = int(rng.integers(1, n))
            budget, fits = Cardinality(k), lambda some, k=k: len(some) <= k
        else:
            costs = rng.integers(1, 20, size=n).astype(float)
            limit = float(rng.uniform(costs.min(), costs.sum()))
            budget = Knapsack(costs, limit)
            fits = lambda some, costs=costs, limit=limit: costs[list(some)].sum() <= limit  # noqa: E731
        best = best_of_all(features, alpha, fits)
        bound = tallied_bound(spread(features, int(rng.integers(1, 5))), B, alpha, budget)
        assert bound >= best * (1 - 1e-12), case


@pytest.mark.parametrize("kind", ["iso", "aniso", "heavy"])
@pytest.mark.parametrize("costly", [False, True])
def test_counts_and_sums_come_close_to_the_values_themselves(kind, costly):
    features = sample_features(kind, 4000, 16).astype(np.float32)
    picks = greedy(features, 400)
    costs = np.random.default_rng(1).integers(20, 900, size=4000).astype(float)
    budget = Knapsack(costs, float(costs.sum() / 10)) if costly else Cardinality(400)
    B = inverse_root(features[picks.indices].astype(np.float64), 1.0)
    image = features.astype(np.float64) @ B.T
    exact = tangent_bound((image * image).sum(axis=1), B, budget)
    found = [tallied_bound(spread(features, shards), B, 1.0, budget) for shards in (1, 7)]
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert exact <= found[0] <= exact * 1.002


@given(
    values=st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=40),
    drawn=st.lists(st.integers(1, 30), min_size=40, max_size=40),
    share=st.floats(0.01, 1.0),
)
@settings(max_examples=300, deadline=None)
def test_a_tally_is_never_below_the_sum_it_bounds(values, drawn, share):
    array, costs = np.array(values), np.array(drawn[: len(values)], dtype=float)
    k = max(1, int(share * len(array)))
    tally = Tally.of(array, None, geometric(array.max()))
    assert tally.most(k) >= Cardinality(k).most(array) * (1 - 1e-12)
    limit = max(costs.min(), share * costs.sum())
    fitting = np.where(costs <= limit, array, 0.0)
    tally = Tally.of(fitting, costs, geometric((array / costs).max()))
    assert tally.most(limit) >= Knapsack(costs, limit).most(array) * (1 - 1e-12)
    halves = [Tally.of(fitting[part], costs[part], tally.edges) for part in (slice(0, None, 2), slice(1, None, 2))]
    assert (halves[0] + halves[1]).most(limit) == pytest.approx(tally.most(limit), rel=1e-12)


class Forgetful(Shard):
    """Dies at every third pass, with what it measured."""

    asked = 0

    def settle(self, rows):
        type(self).asked += 1
        if type(self).asked % 3 == 1:
            raise ShardLostError
        return super().settle(rows)


@pytest.mark.parametrize("kind", [Shard, Forgetful])
@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("shape", [(600, 12, 60), (300, 80, 30), (40, 60, 9)])
def test_the_certificate_of_shards_is_that_of_one_machine(shape, costly, kind):
    n, d, k = shape
    features = sample_features("aniso", n, d).astype(np.float32)
    options = {}
    if costly:
        costs = np.random.default_rng(1).integers(20, 900, size=n).astype(float)
        options = {"costs": costs, "max_cost": float(costs.sum() / 8)}
    picks = greedy(features, None if costly else k, **options)
    there = certificate(spread(features, 4, kind), picks, LogDet(), **options)
    here = certificate(features, picks, LogDet(), **options)
    assert there.bounds.keys() == here.bounds.keys()
    for name, bound in here.bounds.items():
        assert there.bounds[name] == pytest.approx(bound, rel=1e-5), name
    assert there.bound == pytest.approx(here.bound, rel=1e-9 if here.best == "B2" else 1e-5)
    assert there.information == pytest.approx(here.information, rel=1e-12)
