"""What picks explain of a row, and what it would gain as the next: the definitions with explicit inverses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis import ridge as ridge_module
from spice_select.diagnosis.next_gain import next_gains, next_penalties
from spice_select.diagnosis.ridge import Ridge, left_of, share_explained, taken_in_order
from spice_select.numerics.features import Features
from spice_select.selection import Conflict, LogDet, MatchedStep, TargetConflict, TargetInformation, TargetVariance
from spice_select.selection.objectives import DistinctVariance
from spice_select.testing.selection import degenerate, sample_features

shapes = st.tuples(st.integers(2, 24), st.integers(1, 12), st.integers(1, 24), st.integers(0, 10**6))
alphas = st.sampled_from([1e-3, 0.3, 1.0, 100.0])


def drawn(shape: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Features with equal and empty rows among them, and positions of picks in some order."""
    n, d, k, seed = shape
    features = degenerate(sample_features("heavy", n, d, seed=seed % 97)) if n > 4 else sample_features("iso", n, d)
    picks = np.random.default_rng(seed).permutation(n)[: min(k, n)]
    return features, picks


def inverse(features: np.ndarray, picks: np.ndarray, alpha: float) -> np.ndarray:
    return np.linalg.inv(np.eye(features.shape[1]) + alpha * features[picks].T @ features[picks])


@settings(max_examples=60, deadline=None)
@given(shapes, alphas)
def test_what_is_left_and_whose_part_it_is_are_those_of_the_definition(shape, alpha) -> None:
    features, picks = drawn(shape)
    P, G = inverse(features, picks, alpha), features[picks]
    found = Ridge(G, alpha)
    left, squares = np.einsum("ij,jk,ik->i", features, P, features), np.square(features).sum(axis=1)
    scale = 1e-8 * max(1.0, float(squares.max()))
    np.testing.assert_allclose(found.left(features), left, rtol=1e-7, atol=scale)
    np.testing.assert_allclose(left_of(Features(features), found), left, rtol=1e-7, atol=scale)
    np.testing.assert_allclose(found.residuals(features)[0], features @ P, rtol=1e-7, atol=scale)
    np.testing.assert_array_equal(found.residuals(features)[1], found.left(features))
    dual = np.linalg.solve(G @ G.T + np.eye(len(G)) / alpha, G @ features.T).T
    np.testing.assert_allclose(found.parts(features), dual * (features @ G.T), rtol=1e-6, atol=scale)
    np.testing.assert_allclose(found.parts(features).sum(axis=1), squares - left, rtol=1e-6, atol=scale)


def test_a_copy_of_the_one_pick_is_explained_by_it_alone_and_never_whole() -> None:
    features = np.array([[0.6, 0.8, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    found = Ridge(features[:1], 1.0)
    shares = share_explained(found.left(features), np.square(features).sum(axis=1))
    np.testing.assert_allclose(shares, [0.5, 0.5, 0.0, 0.0], atol=1e-15)
    two = Ridge(features[:2], 9.0)
    np.testing.assert_allclose(two.parts(features[:1]), [[9 / 19, 9 / 19]])


@settings(max_examples=60, deadline=None)
@given(shapes, alphas, st.sampled_from([LogDet, TargetVariance, DistinctVariance]))
def test_the_next_gain_is_that_of_the_objective_itself(shape, alpha, kind) -> None:
    features, picks = drawn(shape)
    objective = kind(alpha=alpha)
    wanted = objective.gains(features, picks, np.arange(len(features)))
    found = next_gains(objective, Features(features), picks)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8 * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize("kind", [TargetInformation, MatchedStep])
def test_the_next_gain_of_what_aims_at_a_target_likewise(kind) -> None:
    features, target = sample_features("aniso", 30, 12, seed=3), sample_features("iso", 5, 12, seed=4)
    objective = kind(target=target, tasks=["a", "b", "a", "b", "b"], alpha=0.7)
    picks = np.array([4, 20, 7])
    wanted = objective.gains(features, picks, np.arange(30))
    np.testing.assert_allclose(next_gains(objective, Features(features), picks), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("penalty", [Conflict(0.1), TargetConflict(np.ones((2, 12)), 0.1)])
def test_the_next_penalty_is_that_of_the_penalty_itself(penalty, monkeypatch) -> None:
    features, picks = sample_features("aniso", 30, 12, seed=3), np.array([4, 20, 7])
    wanted = penalty.values(features, picks, np.arange(30))
    np.testing.assert_array_equal(next_penalties(penalty, Features(features), picks), wanted)


@settings(max_examples=60, deadline=None)
@given(shapes, alphas, st.sampled_from([1, 3, 256]))
def test_what_picks_take_in_order_is_the_fall_from_one_pick_to_the_next(shape, alpha, at_once) -> None:
    features, picks = drawn(shape)
    aims = sample_features("aniso", 3, features.shape[1], seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ridge_module, "_AT_ONCE", at_once)
        taken = taken_in_order(features[picks], aims, alpha)
    left = [np.einsum("ij,jk,ik->i", aims, inverse(features, picks[:t], alpha), aims) for t in range(len(picks) + 1)]
    np.testing.assert_allclose(taken, -np.diff(left, axis=0), rtol=1e-6, atol=1e-8 * float(np.square(aims).sum()))


@pytest.mark.parametrize("scale", [1.0, 3e3])
def test_the_next_gain_of_a_variance_of_given_rows_keeps_its_digits(scale: float) -> None:
    """All rows picked, fewer than numbers, and long: what is left of each is little of what there was."""
    features = scale * np.random.default_rng(4).normal(size=(12, 20))
    objective, picks = TargetVariance(target=features.copy()), np.arange(12)
    wanted = objective.gains(features, picks, np.arange(12))
    np.testing.assert_allclose(next_gains(objective, Features(features), picks), wanted, rtol=1e-5)
