"""Each bound is above the best subset there is, found by trying them all."""

import math
import re
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis.certificates import certificate, claims
from spice_select.errors import InputError
from spice_select.numerics import tiles
from spice_select.selection import DiagonalLogDet, LogDet, greedy
from spice_select.testing.selection import sample_features

from .examples import information, naive, optimum, pooled

ALPHAS = (1e-4, 1e-2, 1.0, 1e3, 1e8)


@st.composite
def pools(draw):
    """Up to nine rows: Gaussian, integer (many ties), with duplicates, zero rows and rows of very unequal norm."""
    n, d = draw(st.integers(2, 9)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = rng.standard_normal((n, d)) if draw(st.booleans()) else rng.integers(-1, 2, (n, d)).astype(float)
    if draw(st.booleans()):
        rows *= rng.lognormal(0, 2, n)[:, None]
    if draw(st.booleans()):
        rows[-1] = rows[0] * draw(st.sampled_from([0.0, 1.0, -1.0]))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return rows.astype(dtype), draw(st.integers(1, n)), draw(st.sampled_from(ALPHAS))


@settings(max_examples=300, deadline=None)
@given(pools(), st.integers(0, 12), st.booleans())
def test_no_bound_is_below_the_best_subset(pool, steps, chosen_well):
    rows, k, alpha = pool
    best = optimum(rows, k, alpha)
    picks = naive(rows, k, alpha) if chosen_well else SimpleNamespace(indices=np.arange(k))
    found = certificate(rows, picks, LogDet(alpha), steps=steps)
    assert set(found.bounds) >= {"B1", "B1c", "B2"}
    for name, bound in found.bounds.items():
        assert bound >= best * (1 - 1e-12) - 1e-12, name
    reached = information(rows, picks.indices, alpha)
    assert found.information == pytest.approx(reached, rel=1e-9, abs=1e-9)
    assert found.ratio <= (reached / best if best > 0 else 1) + 1e-12


@pytest.mark.parametrize("d", [3, 40])
def test_all_five_bounds_are_finite_and_the_certificate_is_the_least(d):
    rows = np.random.default_rng(1).standard_normal((60, d))
    found = certificate(rows, naive(rows, 10), LogDet())
    assert set(found.bounds) == {"B1", "B1c", "B2", "B3"} | ({"B4"} if d > 10 else set())
    assert all(math.isfinite(b) for b in found.bounds.values())
    assert found.bound == min(found.bounds.values()) == found.bounds[found.best]
    assert found.seconds > 0


def test_the_credited_bound_never_exceeds_the_plain_one():
    for seed in range(20):
        rows = np.random.default_rng(seed).standard_normal((40, 6))
        bounds = certificate(rows, naive(rows, 12), LogDet(), steps=0).bounds
        assert bounds["B1c"] <= bounds["B1"] * (1 + 1e-9)


def test_fewer_rows_than_dimensions_tighten_the_bound_by_their_rank():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((300, 64)) * np.linspace(2, 0.2, 64)
    bounds = certificate(rows, naive(rows, 6), LogDet()).bounds
    assert bounds["B4"] < 0.6 * bounds["B3"]


def test_more_dimensions_than_rows_change_nothing_but_rounding():
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((30, 12))
    turn = np.linalg.qr(rng.standard_normal((200, 12)))[0].T
    picks = naive(rows, 8)
    narrow, wide = (certificate(r, picks, LogDet()) for r in (rows, rows @ turn))
    assert wide.information == pytest.approx(narrow.information, rel=1e-9)
    assert wide.bound == pytest.approx(narrow.bound, rel=1e-6)
    for name in ("B1", "B1c", "B2", "B4"):  # those that could not be the least keep the slack of float32, γ_d
        assert wide.bounds[name] == pytest.approx(narrow.bounds[name], rel=1e-4)


def test_taking_every_row_is_certified_as_the_best():
    rows = np.random.default_rng(5).standard_normal((50, 8))
    found = certificate(rows, SimpleNamespace(indices=np.arange(50)), LogDet())
    assert found.ratio > 0.999999


def test_a_pooled_selection_is_measured_against_the_optimum_over_all_rows():
    rows = np.random.default_rng(6).standard_normal((10, 4))
    picks = pooled(rows, 2, [range(5), range(5, 10)])
    assert certificate(rows, picks, LogDet()).bound >= optimum(rows, 4)


def test_extreme_scales_keep_a_true_and_useful_bound():
    rows = np.random.default_rng(7).standard_normal((40, 6)) * np.logspace(-8, 5, 40)[:, None]
    picks = naive(rows, 12, 1e3)
    found = certificate(rows, picks, LogDet(1e3))
    assert 0.5 < found.ratio <= 1


@pytest.mark.parametrize("scale", [1e-20, 1e-9, 1e-4, 1e6, 1e11])
@pytest.mark.parametrize("k", [4, 20])
def test_no_scale_of_the_features_makes_the_certificate_useless(scale, k):
    rows = np.random.default_rng(11).standard_normal((60, 8)) * scale
    found = certificate(rows, naive(rows, k), LogDet())
    assert 0.9 < found.ratio <= 1


@pytest.mark.parametrize("alpha", [1e16, 1e40, 1e300])
@pytest.mark.parametrize("k", [3, 8, 18])
def test_an_alpha_beyond_the_digits_of_float64_still_ends_in_a_bound(alpha, k):
    rows = np.random.default_rng(0).standard_normal((60, 20))
    found = certificate(rows, greedy(rows, k, objective=LogDet(alpha)), LogDet(alpha))
    assert found.information <= found.bound < math.inf
    assert found.ratio > 0.9 or alpha > 1e16  # what the picks reach has no digits left there


def test_scales_beyond_float64_prove_nothing_and_say_so():
    rows = np.random.default_rng(12).standard_normal((60, 8)) * 1e15
    assert certificate(rows, SimpleNamespace(indices=range(20)), LogDet()).ratio == 0


def test_zero_rows_only_reach_the_best_there_is():
    found = certificate(np.zeros((5, 3)), SimpleNamespace(indices=[0, 1]), LogDet())
    assert found.information == 0
    assert found.bound < 1e-9


def test_the_percentage_is_rounded_down():
    rows = np.random.default_rng(8).standard_normal((60, 5))
    found = certificate(rows, naive(rows, 10), LogDet())
    stated = float(found.sentence.split("≥ ")[1].split(" %")[0])
    assert stated / 100 <= found.ratio < stated / 100 + 0.001
    assert "tuned" in found.scope


def test_half_precision_and_memory_maps_are_read_as_they_are(tmp_path):
    rows = np.random.default_rng(9).standard_normal((50, 6)).astype(np.float16)
    np.save(tmp_path / "f.npy", rows)
    picks = naive(rows, 9)
    mapped = certificate(np.load(tmp_path / "f.npy", mmap_mode="r"), picks, LogDet())
    assert mapped.bounds == certificate(rows, picks, LogDet()).bounds


def test_tiles_change_nothing_but_rounding(monkeypatch):
    rows = np.random.default_rng(13).standard_normal((500, 6)).astype(np.float32)
    picks = SimpleNamespace(indices=np.arange(0, 500, 3))
    whole = certificate(rows, picks, LogDet())
    monkeypatch.setattr(tiles, "TILE_ENTRIES", 1)
    tiled = certificate(rows, picks, LogDet())
    assert tiled.information == pytest.approx(whole.information, rel=1e-12)
    assert dict(tiled.bounds) == pytest.approx(dict(whole.bounds), rel=1e-6)


def test_no_flops_leave_the_bounds_that_need_no_search():
    rows = np.random.default_rng(10).standard_normal((50, 6))
    found = certificate(rows, naive(rows, 9), LogDet(), max_flops=0)
    assert set(found.bounds) == {"B1", "B1c", "B2"}
    assert found.steps == 0


@pytest.mark.parametrize(
    ("rows", "indices", "objective", "steps", "words"),
    [
        (np.ones(4), [0], LogDet(), 1, "shape (4,)"),
        (np.array([[1.0], [np.nan]]), [0], LogDet(), 1, "rows 1"),
        (np.ones((4, 2)), [], LogDet(), 1, "non-empty"),
        (np.ones((4, 2)), [4], LogDet(), 1, "row 4"),
        (np.ones((4, 2)), [1, 1], LogDet(), 1, "row 1 twice"),
        (np.ones((4, 2)), [0], DiagonalLogDet(), 1, "log det(I + αF) only"),
        (np.ones((4, 2)), [0], LogDet(), -1, "steps is -1"),
    ],
)
def test_what_cannot_be_used_is_named(rows, indices, objective, steps, words):
    with pytest.raises(InputError, match=re.escape(words)):
        certificate(rows, SimpleNamespace(indices=indices), objective, steps=steps)


def dearest(rows, costs, limit, alpha):
    """F(S*) over every subset that costs no more than the limit."""
    n = len(rows)
    every = (list(s) for k in range(1, n + 1) for s in combinations(range(n), k))
    return max(information(rows, s, alpha) for s in every if costs[s].sum() <= limit)


@settings(max_examples=150, deadline=None)
@given(pools(), st.integers(0, 8), st.integers(0, 2**32 - 1), st.booleans())
def test_no_bound_is_below_the_best_subset_of_a_cost(pool, steps, seed, whole):
    rows, _, alpha = pool
    rows, rng = rows[:7], np.random.default_rng(seed)
    costs = rng.integers(1, 20, len(rows)) if whole else rng.lognormal(0, 2, len(rows))
    limit = float(rng.uniform(costs.min(), costs.sum()))
    picks = greedy(rows, objective=LogDet(alpha), costs=costs, max_cost=limit)
    best = dearest(rows, costs, limit, alpha)
    found = certificate(rows, picks, LogDet(alpha), costs=costs, max_cost=limit, steps=steps)
    for name, bound in found.bounds.items():
        assert bound >= best * (1 - 1e-12) - 1e-12, name
    assert found.ratio <= (information(rows, picks.indices, alpha) / best if best > 0 else 1) + 1e-12


def test_a_row_budget_is_no_bound_on_what_a_cost_buys():
    # one long row, or two short ones for the same price: the best of one row is below the best of that cost
    rows, costs = np.diag([1.5, 1.0, 1.0]), np.array([2, 1, 1])
    long = SimpleNamespace(indices=[0])
    best = dearest(rows, costs, 2, 1.0)
    assert certificate(rows, long, LogDet()).bound < best
    found = certificate(rows, long, LogDet(), costs=costs, max_cost=2)
    assert found.bound == pytest.approx(best)
    assert "within a cost of 2" in found.sentence
    assert "costing no more than 2 together" in found.scope


def test_equal_costs_are_a_number_of_rows():
    rows = np.random.default_rng(14).standard_normal((80, 20))
    picks = naive(rows, 9)
    counted = certificate(rows, picks, LogDet())
    paid = certificate(rows, picks, LogDet(), costs=np.full(80, 3.0), max_cost=27)
    assert dict(paid.bounds) == pytest.approx(dict(counted.bounds), rel=1e-6)


def test_a_cost_budget_is_certified_almost_as_tightly_as_rows():
    rng = np.random.default_rng(15)
    rows = rng.standard_normal((1500, 32)) / np.sqrt(np.arange(1, 33))
    costs = np.ceil(rng.lognormal(4, 1, 1500))
    picks = greedy(rows, costs=costs, max_cost=0.05 * costs.sum())
    assert certificate(rows, picks, LogDet(), costs=costs, max_cost=0.05 * costs.sum()).ratio > 0.98


def test_row_numbers_alone_are_refused_in_a_sentence():
    with pytest.raises(InputError, match="of type list: it has no `indices`"):
        certificate(np.eye(3), [0, 1], LogDet())


@pytest.mark.parametrize(
    ("costs", "limit", "words"),
    [
        (None, 3, "without costs"),
        ([1, 1, 1], None, "costs without max_cost"),
        ([1, 1], 3, "shape (2,) for 3"),
        ([1, 0, 1], 3, "row 1 costs 0"),
        ([1, 5, 1], 3, "the selection costs 6, above max_cost=3"),
    ],
)
def test_costs_that_do_not_fit_are_named(costs, limit, words):
    with pytest.raises(InputError, match=re.escape(words)):
        certificate(np.eye(3), SimpleNamespace(indices=[0, 1]), LogDet(), costs=costs, max_cost=limit)


def test_where_some_of_the_rows_tell_that_no_credits_help_all_of_them_are_not_asked(monkeypatch):
    rows = sample_features("aniso", 1000, 16)
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    picks = greedy(rows, 100)
    monkeypatch.setattr(claims, "_EVERY", 1000)
    asked = certificate(rows, picks, LogDet()).bounds
    assert asked["B1c"] < asked["B1"]
    monkeypatch.setattr(claims, "_EVERY", 8)
    spared = certificate(rows, picks, LogDet())
    assert spared.bounds == pytest.approx(asked | {"B1c": asked["B1"]}, rel=1e-12)
    assert spared.bound < asked["B1c"]
