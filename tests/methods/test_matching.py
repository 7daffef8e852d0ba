"""Matching of the mean gradient: worked examples, and each fast form against the slow obvious one."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from spice_select.methods import METHODS
from spice_select.methods.budget import Allowance
from spice_select.methods.craig import cluster_sizes, distances, nearness
from spice_select.methods.gradmatch import Pursuit, nonnegative_weights
from spice_select.methods.matching import herded, mean_errors, off_by
from spice_select.methods.stepwise import lazily
from spice_select.progress import Silent
from spice_select.testing.method import sample_candidates


def rows_of(*vectors: tuple[float, ...]) -> np.ndarray:
    return np.array(vectors, np.float64)


def drawn(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Unit rows that share a direction, as gradients do."""
    rows = np.random.default_rng(seed).normal(size=(n, d)) + 0.3
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# ---- herding


def test_the_worked_example_of_herding() -> None:
    vectors = rows_of((1, 0), (0, 1), (1, 1), (-1, 0))
    picks = list(islice(herded(vectors, np.arange(4)), 2))
    assert picks == [2, 3]
    errors = mean_errors(vectors, np.array(picks))
    np.testing.assert_allclose(errors[-1], 0.25 / np.hypot(0.25, 0.5))


def test_herding_is_its_definition() -> None:
    vectors = drawn(40, 6)
    mean, left, due = vectors.mean(axis=0), set(range(40)), []
    while left:  # w after t picks, from the start each time
        wanted = (len(due) + 1) * mean - sum((vectors[pick] for pick in due), np.zeros(6))
        due.append(max(left, key=lambda row: (float(vectors[row] @ wanted), -row)))
        left.remove(due[-1])
    assert list(herded(vectors, np.arange(40))) == due


def test_herding_matches_the_mean_better_than_a_draw() -> None:
    vectors = drawn(400, 32)
    herding = mean_errors(vectors, np.array(list(islice(herded(vectors, np.arange(400)), 40))))[-1]
    draws = [np.random.default_rng(seed).permutation(400)[:40] for seed in range(20)]
    assert herding < 0.4 * min(mean_errors(vectors, draw)[-1] for draw in draws)


def test_an_error_is_a_share_of_the_length_of_the_mean() -> None:
    assert off_by(np.array([3.0, 4.0]), np.array([0.0, 4.0])) == 0.75
    assert off_by(np.zeros(2), np.zeros(2)) == 0
    assert off_by(np.ones(2), np.zeros(2)) == np.inf


# ---- CRAIG


def naive_craig(vectors: np.ndarray, k: int) -> list[int]:
    """Σ_i (d_max − min_j d_ij) of every set that one more row makes."""
    apart = np.array([[np.linalg.norm(one - other) for other in vectors] for one in vectors])
    value = lambda chosen: (apart.max() - apart[:, chosen].min(axis=1)).sum()  # noqa: E731
    picks: list[int] = []
    for _ in range(k):
        values = {row: value([*picks, row]) for row in range(len(vectors)) if row not in picks}
        best = max(values.values())
        picks.append(min(row for row, found in values.items() if found >= best - 1e-9))
    return picks


def test_the_worked_example_of_craig() -> None:
    """Gains 7.369, 9.330, 8.492, 8.207; then rows 2 and 3 tie at 5.162."""
    vectors = rows_of((0, 0), (1, 0), (4, 0), (4, 1))
    picks = list(islice(lazily(nearness(vectors), np.arange(4)), 2))
    assert picks == naive_craig(vectors, 2) == [1, 2]
    assert cluster_sizes(vectors, np.array(picks)).tolist() == [2, 2]
    gains = nearness(vectors).gains(np.arange(4))
    shift = 4 * (2 * np.sqrt(17) - np.sqrt(17))  # twice the longest row, where the example has the largest distance
    np.testing.assert_allclose(gains - shift, [7.369, 9.330, 8.492, 8.207], atol=5e-4)


@pytest.mark.parametrize("seed", range(4))
def test_lazy_craig_is_its_definition(seed: int) -> None:
    vectors = drawn(30, 5, seed)
    vectors[7] = vectors[3]
    assert list(islice(lazily(nearness(vectors), np.arange(30)), 20)) == naive_craig(vectors, 20)


def test_equal_rows_are_no_distance_apart() -> None:
    vectors = drawn(6, 3000).repeat(2, axis=0)
    assert (distances(vectors, vectors)[np.arange(12), np.arange(12) ^ 1] == 0).all()


# ---- GradMatch


def test_the_worked_example_of_gradmatch() -> None:
    """Of (1,0), (0,1), (1,1) the last, twice, is b = (2, 2): one row does it, and herding fills the rest."""
    vectors = rows_of((1, 0), (0, 1), (1, 1))
    pursuit = Pursuit(vectors, np.arange(3))
    order = list(pursuit.order())
    assert order[0] == 2
    assert sorted(order) == [0, 1, 2]
    weights = pursuit.weights(np.array(order))
    np.testing.assert_allclose(weights, [2 / 3, 0, 0], atol=1e-12)  # b is the mean here, (2/3, 2/3)
    np.testing.assert_allclose(pursuit.errors[order], 0.5)  # the weighted sum is b; the mean, (1, 1), is half too long


def naive_pursuit(vectors: np.ndarray, k: int) -> tuple[list[int], np.ndarray]:
    """Every fit from the beginning, by SciPy's non-negative least squares."""
    mean, picks, weights = vectors.mean(axis=0), list[int](), np.zeros(0)
    for _ in range(k):
        residual = mean - weights @ vectors[picks]
        scores = vectors @ residual
        scores[picks] = -np.inf
        picks.append(int(scores.argmax()))
        weights = nnls(vectors[picks].T, mean)[0]
    return picks, weights


@pytest.mark.parametrize("seed", range(4))
def test_the_pursuit_is_its_definition(seed: int) -> None:
    vectors = drawn(60, 24, seed)
    due, weights = naive_pursuit(vectors, 15)
    pursuit = Pursuit(vectors, np.arange(60))
    picks = list(islice(pursuit.order(), 15))
    assert picks == due
    np.testing.assert_allclose(pursuit.weights(np.array(picks)), weights, atol=1e-10)
    found = weights @ vectors[picks] / weights.sum()
    np.testing.assert_allclose(pursuit.errors[picks[-1]], off_by(found, vectors.mean(axis=0)))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_weights_are_those_of_non_negative_least_squares(t: int, extra: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows, target = draw.normal(size=(t, t + extra)), draw.normal(size=t + extra)
    due = nnls(rows.T, target)[0]
    found = nonnegative_weights(rows @ rows.T, rows @ target, np.zeros(t))
    np.testing.assert_allclose(found, due, atol=1e-7)
    np.testing.assert_allclose(nonnegative_weights(rows @ rows.T, rows @ target, due), due, atol=1e-7)


def test_weights_of_a_choice_are_of_its_rows_alone() -> None:
    """Under a budget in tokens a row is looked at that does not fit any more."""
    candidates = sample_candidates(40, 30, features=("gradients",))
    allowance = Allowance(tokens=int(candidates.tokens.sum() // 5))
    choice = METHODS["gradmatch"].of({}).choose(candidates, allowance, seed=0, progress=Silent())
    vectors = candidates.matrix.dense
    due = nnls(vectors[choice.indices].T, vectors.mean(axis=0))[0]
    np.testing.assert_allclose(choice.columns["weight"], due, atol=1e-8)
    assert (choice.columns["weight"] > 0).sum() > 3


def test_errors_of_a_choice_are_of_its_rows_alone() -> None:
    """A row that is longer than the whole budget is picked by the pursuit and passed over by the choice."""
    candidates, method = sample_candidates(40, 30, features=("gradients",)), METHODS["gradmatch"].of({})
    allowance = Allowance(tokens=int(candidates.tokens.sum() // 5))
    first = method.choose(candidates, allowance, seed=0, progress=Silent()).indices
    tokens = candidates.tokens.copy()
    tokens[first[2]] = candidates.tokens.sum()
    choice = method.choose(replace(candidates, tokens=tokens), allowance, seed=0, progress=Silent())
    assert first[2] not in choice.indices
    vectors = candidates.matrix.dense
    mean = vectors.mean(axis=0)
    for count, error in enumerate(choice.columns["weighted_error"], start=1):
        rows = vectors[choice.indices[:count]]
        weights = nnls(rows.T, mean)[0]
        np.testing.assert_allclose(error, off_by(weights @ rows / weights.sum(), mean), rtol=1e-7)


def test_a_mean_of_nothing_is_matched_by_herding() -> None:
    vectors = rows_of((1, 0), (-1, 0), (0, 0))
    assert sorted(Pursuit(vectors, np.arange(3)).order()) == [0, 1, 2]


# ---- the program of the authors of SPICE


def test_the_official_program_ranks_as_top_norm_does() -> None:
    candidates = sample_candidates(40, features=("gradients",))
    picks = [
        METHODS[name].of({}).choose(candidates, Allowance(rows=40), seed=0, progress=Silent()).indices.tolist()
        for name in ("spice-official", "top-norm")
    ]
    assert picks[0] == picks[1]
    scores = np.log1p(0.7 * candidates.features["gradients"].norms ** 2)
    assert picks[0] == np.argsort(-scores).tolist(), "log(1 + α‖g‖²) grows with ‖g‖ whatever α is"
