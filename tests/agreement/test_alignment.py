"""Cosine matrices compared: the fast HSIC against its definition, and what must not matter."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis.alignment import _hsic, alignment, cosine_correlation, cosines


def features(seed: int, n: int = 40, d: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def hsic_by_definition(left: np.ndarray, right: np.ndarray) -> float:
    """The U-statistic over all ordered quadruples of different rows (Song et al. 2012, eq. 5)."""
    n = len(left)
    terms = [left[i, j] * (right[i, j] + right[q, r] - 2 * right[i, q]) for i, j, q, r in permutations(range(n), 4)]
    return float(np.mean(terms))


@pytest.mark.parametrize("seed", range(4))
def test_hsic_is_the_mean_over_all_quadruples(seed: int) -> None:
    left, right = cosines(features(seed, 7, 3)), cosines(features(seed + 50, 7, 3))
    assert _hsic(left, right) == pytest.approx(hsic_by_definition(left, right), rel=1e-9)


def test_unrelated_features_align_to_nothing_on_average() -> None:
    """The plain estimate would give far more: 30 rows in 60 dimensions."""
    found = [alignment(cosines(features(s, 30, 60)), cosines(features(s + 1000, 30, 60))) for s in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found)) + 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 500))
def test_turning_and_scaling_the_features_changes_nothing(seed: int) -> None:
    one = features(seed)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(30, 30)))
    scale = np.random.default_rng(seed + 1).uniform(0.1, 10, (40, 1))
    other = (one @ turn * scale).astype(np.float32)
    assert alignment(cosines(one), cosines(other)) == pytest.approx(1, abs=1e-4)
    assert cosine_correlation(cosines(one), cosines(other)) == pytest.approx(1, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 500))
def test_both_measures_are_symmetric_and_blind_to_the_order_of_rows(seed: int) -> None:
    left, right = features(seed), features(seed) + features(seed + 1)
    order = np.random.default_rng(seed).permutation(40)
    for measure in (alignment, cosine_correlation):
        value = measure(cosines(left), cosines(right))
        assert measure(cosines(right), cosines(left)) == pytest.approx(value)
        assert measure(cosines(left[order]), cosines(right[order])) == pytest.approx(value)


def test_more_noise_means_less_agreement() -> None:
    one = features(0, 100)
    noisy = [one + scale * features(1, 100) for scale in (0.0, 0.5, 1.0, 4.0)]
    for measure in (alignment, cosine_correlation):
        values = [measure(cosines(one), cosines(other)) for other in noisy]
        assert values == sorted(values, reverse=True)


def test_a_row_of_zeros_is_at_right_angles_to_all() -> None:
    one = features(0, 5)
    one[2] = 0
    assert not cosines(one)[2].any()
    assert np.isfinite(alignment(cosines(one), cosines(features(1, 5))))


def test_too_few_rows_have_no_structure() -> None:
    assert np.isnan(alignment(cosines(features(0, 3)), cosines(features(1, 3))))
