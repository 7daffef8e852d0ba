"""Weights fill the budget, the spectrum's tail is spread over what k rows can span, and steps improve the bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.selection.relaxation import tangents
from spice_select.selection.relaxation.constraint import Cardinality, Knapsack, sum_of_largest
from spice_select.selection.relaxation.passes import LocalPasses
from spice_select.selection.relaxation.tangents import improve, spread_tail


def all_of(rows):
    return LocalPasses(rows, None, 1.0, single=rows.dtype == np.float32)


positive = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(positive, st.integers(1, 30))
def test_capped_weights_fill_the_budget_in_proportion(values, k):
    weights, k = np.array(values), min(k, len(values))
    capped = Cardinality(k).capped(weights)
    assert capped.sum() == pytest.approx(k)
    assert (capped <= 1).all()
    below = capped < 1 - 1e-9
    scales = capped[below] / weights[below]
    np.testing.assert_allclose(scales, scales[0] if len(scales) else 1, rtol=1e-9)


def test_fewer_positive_weights_than_the_budget_all_count_fully():
    assert Cardinality(3).capped(np.array([0.0, 2.0, 0.0, 3.0])).tolist() == [0, 1, 0, 1]


@settings(max_examples=150, deadline=None)
@given(positive, st.integers(1, 30))
def test_the_tail_is_the_mean_that_lies_between_its_neighbours(values, k):
    spectrum = np.sort(np.array(values))[::-1]
    out = spread_tail(spectrum, k)
    if k >= len(spectrum):
        assert (out == spectrum).all()
        return
    mean = out[-1]
    head = out[out > mean * (1 + 1e-12)]
    kept = len(head)
    assert kept < k
    np.testing.assert_array_equal(head, spectrum[:kept])
    assert mean * (k - kept) == pytest.approx(spectrum[kept:].sum())
    assert spectrum[kept] <= mean * (1 + 1e-9)


def bound_at(rows, weights, k, steps):
    return bound_of(improve(all_of(rows), weights, Cardinality(k), steps, min(k, rows.shape[1])), rows, k)


def bound_of(found, rows, k):
    forms = ((rows @ found.inverse_root.T) ** 2).sum(axis=1)
    return min(bound(forms) for bound in found.bounds(Cardinality(k)).values())


@pytest.mark.parametrize("k", [5, 60])
def test_steps_improve_the_bound_and_never_lose_the_best(k):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200, 20)) * np.linspace(2, 0.1, 20) * rng.lognormal(0, 0.7, (200, 1))
    start = np.full(200, k / 200)
    bounds = [bound_at(rows, start, k, steps) for steps in (1, 3, 10, 20)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] < 0.92 * bounds[0]


def test_a_step_that_goes_wrong_does_not_count(monkeypatch):
    monkeypatch.setattr(tangents, "POWER", 60)
    rows = np.random.default_rng(1).standard_normal((100, 8))
    start = np.full(100, 0.1)
    assert bound_at(rows, start, 10, 5) == bound_at(rows, start, 10, 1)


def test_the_tangent_at_orthonormal_rows_is_exact():
    # k of d orthonormal rows hold k·log 2, whichever they are: nothing is left to bound.
    found = improve(all_of(np.eye(12)), np.full(12, 4 / 12), Cardinality(4), 1, 4)
    assert bound_of(found, np.eye(12), 4) == pytest.approx(4 * np.log(2))


def test_largest_takes_all_where_k_is_all():
    assert sum_of_largest(np.array([1.0, 2.0, 3.0]), 2) == 5
    assert sum_of_largest(np.array([1.0, 2.0, 3.0]), 3) == 6


@settings(max_examples=150, deadline=None)
@given(positive, st.integers(0, 2**32 - 1))
def test_a_cost_budget_is_used_up_by_weights_and_bounds_every_choice(values, seed):
    weights, rng = np.array(values), np.random.default_rng(seed)
    costs = rng.lognormal(0, 1, len(weights))
    budget = Knapsack(costs, float(rng.uniform(costs.min(), costs.sum())))
    capped = budget.capped(weights)
    assert capped @ costs == pytest.approx(budget.limit)
    assert (capped <= 1).all()
    for _ in range(10):  # any choice within the limit
        order = rng.permutation(len(weights))
        choice = order[np.cumsum(costs[order]) <= budget.limit]
        assert weights[choice].sum() <= budget.most(weights) * (1 + 1e-12)
        assert len(choice) <= budget.rows


def test_the_most_that_a_cost_buys_is_the_fractional_knapsack():
    budget = Knapsack(np.array([10.0, 20.0, 30.0]), 50.0)
    assert budget.most(np.array([60.0, 100.0, 120.0])) == pytest.approx(240)
    assert budget.rows == 2
    assert Knapsack(np.array([1.0, 9.0]), 2.0).most(np.array([1.0, 100.0])) == 1  # what none can pay for counts nothing
