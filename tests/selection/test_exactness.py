"""The fast paths pick what the oracle picks, in its order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spice_select.selection import (
    Conflict,
    DiagonalLogDet,
    FacilityLocation,
    GainRatio,
    LogDet,
    PredictedDrop,
    SquaredInnerProduct,
    TargetVariance,
    greedy,
    naive,
)
from spice_select.selection.objectives.target_variance import DistinctVariance, PoolVarianceState, TargetVarianceState
from spice_select.selection.paths.blocked import block
from spice_select.selection.paths.blocked.kernels import has_kernel
from spice_select.testing.selection import check_selector, degenerate, require_same, sample_features

KINDS = ("iso", "aniso", "heavy")


@pytest.fixture(scope="module", params=["compiled", "numpy"], autouse=True)
def products(request):
    """Every law holds with the compiled kernel and without it."""
    if request.param == "compiled" and not has_kernel():
        pytest.skip("the kernel is not built, or not for this processor")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            patch.setattr("spice_select.selection.paths.blocked.kernels.compiled", None)
        yield request.param


def compare(features, k, **options):
    found, truth = greedy(features, k, **options), naive(features, k, **options)
    require_same(found, truth, str(options))
    return found


def test_greedy_passes_the_conformance_suite():
    check_selector(greedy, seeds=(0,))


def test_the_oracle_passes_its_own_suite_only_with_the_right_order():
    def reversed_ties(features, k, **options):
        return greedy(features[::-1], k, **options)

    with pytest.raises(AssertionError, match="pick 0"):
        check_selector(reversed_ties, seeds=(0,))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [0.0, 0.1, 2.0])
def test_orders_agree_over_many_blocks(kind, weight):
    features = sample_features(kind, 700, 48, seed=3).astype(np.float32)
    found = compare(features, 120, penalty=Conflict(weight))
    assert found.stats.path == "blocked"


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_more_picks_than_dimensions_keep_the_order(weight):
    compare(sample_features("heavy", 400, 8, seed=5), 400, penalty=Conflict(weight))


@pytest.mark.parametrize("scale", [1e-20, 1e15])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [0.0, 0.1, 2.0])
def test_extreme_scales_keep_the_order(scale, dtype, kind, weight):
    features = (sample_features(kind, 60, 12, seed=1).astype(dtype) * dtype(scale)).astype(dtype)
    compare(features, 40, penalty=Conflict(weight))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_float_type_gives_the_order_of_its_float64_copy(dtype):
    features = sample_features("aniso", 300, 20).astype(dtype)
    found = greedy(features, 60, penalty=Conflict(0.1))
    assert found.indices.tolist() == naive(features.astype(np.float64), 60, penalty=Conflict(0.1)).indices.tolist()


def test_memory_mapped_features_are_read_in_place(tmp_path):
    features = sample_features("heavy", 300, 20).astype(np.float32)
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert greedy(mapped, 50).indices.tolist() == greedy(features, 50).indices.tolist()


def test_torch_tensors_are_taken():
    torch = pytest.importorskip("torch")
    features = sample_features("iso", 100, 10).astype(np.float32)
    expected = greedy(features, 20).indices.tolist()
    assert greedy(torch.from_numpy(features), 20).indices.tolist() == expected
    rounded = torch.from_numpy(features).bfloat16()
    assert greedy(rounded, 20).indices.tolist() == greedy(rounded.float().numpy(), 20).indices.tolist()


@pytest.mark.parametrize(
    "objective", [DiagonalLogDet(), FacilityLocation(), TargetVariance(), LogDet(0.5)], ids=lambda o: type(o).__name__
)
@pytest.mark.parametrize("penalty", [None, Conflict(0.5), SquaredInnerProduct(0.1)], ids=lambda p: type(p).__name__)
def test_any_objective_goes_with_any_penalty(objective, penalty):
    features = degenerate(sample_features("heavy", 60, 9))
    compare(features, 60, objective=objective, penalty=penalty)


def test_a_given_target_replaces_the_pool_as_target():
    features, target = sample_features("iso", 50, 8), sample_features("aniso", 20, 8, seed=9)
    found = compare(features, 20, objective=TargetVariance(target=target))
    assert found.indices.tolist() != greedy(features, 20, objective=TargetVariance()).indices.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", [TargetVariance(), TargetVariance(30.0), DistinctVariance()])
def test_a_pool_of_fewer_rows_than_numbers_keeps_the_order(kind, objective):
    """By the products of the rows alone, over more picks than running sums are trusted for."""
    features = degenerate(sample_features(kind, 90, 130, seed=2))
    compare(features, 90, objective=objective)


def test_both_forms_of_a_pools_variance_have_the_gains_of_the_definition():
    features = sample_features("aniso", 40, 60, seed=4)
    rows, weights = np.arange(40), np.linspace(0.1, 2.0, 40)
    root = features * np.sqrt(weights)[:, None]
    forms = [PoolVarianceState(features, weights, 3.0), TargetVarianceState(features, root.T @ root, 3.0)]
    for picks, row in enumerate([7, 3, 39, 0]):
        due = TargetVariance(3.0, target=root).gains(features, [7, 3, 39, 0][:picks], rows)
        for form in forms:
            np.testing.assert_allclose(form.gains(rows), due, rtol=1e-9)
            form.add(row)


GRID = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 24), st.integers(1, 7)), elements=st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0])
)
FLOATS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 24), st.integers(1, 7)),
    elements=st.floats(-8, 8, allow_nan=False, width=32),
)


@given(features=GRID | FLOATS, weight=st.sampled_from([0.0, 0.1, 0.5, 2.0]), share=st.floats(0.05, 1.0))
@settings(max_examples=150, deadline=None)
def test_drawn_cases_agree_with_the_oracle(features, weight, share):
    k = max(1, int(share * len(features)))
    compare(features, k, penalty=Conflict(weight))


@pytest.mark.parametrize("per_cost", [0.5, 1.0])
@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prices_keep_the_order_over_many_blocks(weight, per_cost, dtype):
    features = sample_features("aniso", 700, 24, seed=3).astype(dtype)
    costs = np.random.default_rng(2).integers(5, 900, size=700)
    found = compare(features, 150, penalty=Conflict(weight), costs=costs, per_cost=per_cost)
    assert found.stats.path.startswith("blocked")


@given(
    features=GRID | FLOATS,
    weight=st.sampled_from([0.0, 0.5]),
    per_cost=st.sampled_from([0.0, 0.5, 0.7, 1.0]),
    drawn=st.lists(st.integers(1, 6), min_size=24, max_size=24),
    share=st.none() | st.floats(0.1, 1.0),
)
@settings(max_examples=100, deadline=None)
def test_drawn_prices_agree_with_the_oracle(features, weight, per_cost, drawn, share):
    costs = np.array(drawn[: len(features)])
    limit = None if share is None else max(float(costs.min()), share * float(costs.sum()))
    compare(features, len(features), penalty=Conflict(weight), costs=costs, max_cost=limit, per_cost=per_cost)


@given(
    features=FLOATS, weight=st.sampled_from([0.0, 0.5]), alpha=st.sampled_from([1e-4, 1.0, 1e4]), seed=st.integers(0, 9)
)
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_does_not_matter_where_nothing_ties(features, weight, alpha, seed):
    features = features + np.random.default_rng(seed).standard_normal(features.shape)
    order = np.random.default_rng(seed).permutation(len(features))
    options = {"objective": LogDet(alpha), "penalty": Conflict(weight)}
    there = greedy(features[order], len(features), **options)
    assert order[there.indices].tolist() == greedy(features, len(features), **options).indices.tolist()


def test_rotating_the_features_changes_nothing():
    features = sample_features("heavy", 200, 16)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))[0]
    options = {"k": 80, "penalty": Conflict(0.3)}
    assert greedy(features @ rotation, **options).indices.tolist() == greedy(features, **options).indices.tolist()


def test_alpha_and_the_square_of_the_scale_are_the_same_thing():
    features = sample_features("heavy", 200, 16)
    scaled = greedy(4.0 * features, 80, objective=LogDet(1.0))
    assert scaled.indices.tolist() == greedy(features, 80, objective=LogDet(16.0)).indices.tolist()


def test_identical_rows_are_taken_lowest_first():
    row = np.array([0.3, -1.7, 0.9])
    found = compare(np.tile(row, (7, 1)), 7, objective=LogDet(1e8), penalty=Conflict(0.5))
    assert found.indices.tolist() == list(range(7))


@pytest.mark.parametrize("scale", [1.0, 1e5, 1e12])
def test_identical_rows_are_taken_lowest_first_at_any_scale(scale):
    features = sample_features("heavy", 400, 24) * scale
    features[200:] = features[np.random.default_rng(0).integers(200, size=200)]
    found = greedy(features, 400, penalty=Conflict(0.1))
    place = np.argsort(found.indices)
    for row in range(200):
        copies = np.flatnonzero((features == features[row]).all(axis=1))
        assert (np.diff(place[copies]) > 0).all()


def test_zero_rows_come_last_and_are_taken_in_order():
    features = np.zeros((6, 3))
    features[4] = [1.0, 2.0, 0.0]
    found = compare(features, 6)
    assert found.indices.tolist() == [4, 0, 1, 2, 3, 5]
    assert found.gains[1:].tolist() == [0.0] * 5


@pytest.mark.parametrize("priced", [{}, {"costs": np.arange(1, 601) % 7 + 1, "per_cost": 0.5}])
def test_scores_of_zero_tie_within_a_block_and_outside(priced):
    features = np.random.default_rng(0).standard_normal((600, 4))
    features[100:] *= 1e-170  # their squares are 0
    compare(features, 300, **priced)


def test_negative_scores_tie_as_positive_ones_do():
    drawn = np.random.default_rng(0)
    for _ in range(100):
        values = drawn.random(6)
        features = np.stack([drawn.permutation(values) for _ in range(8)])  # sums of the same numbers in any order
        found = greedy(features, 1, objective=PredictedDrop(np.full((1, 6), -0.1), 1.0))
        assert found.gains[0] < 0
        assert found.indices.tolist() == [0]


def test_scores_within_the_tolerance_tie():
    features = np.eye(3) * np.array([[1.0], [1.0 + 1e-14], [1.0]])
    assert compare(features, 3).indices.tolist() == [0, 1, 2]
    assert compare(np.eye(3) * np.array([[1.0], [1.0 + 1e-9], [1.0]]), 3).indices.tolist() == [1, 0, 2]


@pytest.mark.parametrize(("patience", "path"), [(16, "blocked"), (0, "blocked+eager")])
def test_more_ties_than_a_block_can_hold_are_still_exact(monkeypatch, patience, path):
    monkeypatch.setattr("spice_select.selection.paths.blocked.rounds.FIRST_BLOCK", 4)
    monkeypatch.setattr("spice_select.selection.paths.blocked.rounds.LARGEST_BLOCK", 8)
    monkeypatch.setattr("spice_select.selection.paths.blocked.rounds.MOST_TIES", patience)
    found = compare(np.eye(40), 40, penalty=Conflict(0.1), stop=GainRatio(0.01))
    assert found.indices.tolist() == list(range(40))
    assert found.stats.path == path


def unit_rows(kind, n, d):
    G = sample_features(kind, n, d, seed=5)
    return G / np.linalg.norm(G, axis=1)[:, None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("kind", ["iso", "aniso"])
def test_rows_of_one_length_tie_once_and_then_go_on_in_blocks(monkeypatch, kind, weight, dtype):
    monkeypatch.setattr("spice_select.selection.paths.blocked.rounds.LARGEST_BLOCK", 32)
    G = unit_rows(kind, 600, 24).astype(dtype)
    found = compare(G, 90, penalty=Conflict(weight), initial=[7] if weight == 2.0 else [])
    assert found.stats.path == "blocked"


def test_rows_that_all_tie_are_evaluated_once_not_twice():
    found = greedy(unit_rows("iso", 3000, 1500), 20, penalty=Conflict(0.1))  # wide: bounds are off by more than a tie
    assert found.stats.evaluations < 3000 + 40 * 20


def test_a_penalty_does_not_end_every_block_after_one_pick(monkeypatch):
    opened = []
    monkeypatch.setattr(
        "spice_select.selection.paths.blocked.rounds.Block", lambda *given: opened.append(1) or block.Block(*given)
    )
    greedy(unit_rows("iso", 3000, 128), 300, penalty=Conflict(0.1))
    assert len(opened) < 100


def test_a_wide_matrix_costs_no_square_of_its_width():
    features = np.random.default_rng(0).standard_normal((60, 3000)).astype(np.float32)
    compare(features, 12, objective=LogDet(1e-3), penalty=Conflict(0.1))
