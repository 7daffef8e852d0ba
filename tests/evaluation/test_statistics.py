"""Standard errors against the bootstrap, differences against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.numerics.estimates import row_difference, row_mean, token_difference, token_mean


def draw(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(1, 200, n).astype(np.float64)
    rates = rng.gamma(4.0, 0.4, n) * (1 + 20 / (tokens + 20))  # short rows have the larger loss, as in real corpora
    return rates * tokens, tokens


def bootstrap(statistic, n: int, draws: int = 4000) -> float:
    rng = np.random.default_rng(0)
    return float(np.std([statistic(rng.integers(0, n, n)) for _ in range(draws)]))


@pytest.mark.parametrize("seed", range(3))
def test_the_error_of_the_loss_per_token_is_that_of_resampled_rows(seed: int) -> None:
    sums, tokens = draw(seed)
    found = token_mean(sums, tokens)
    assert found.value == pytest.approx(sums.sum() / tokens.sum())
    assert found.stderr == pytest.approx(bootstrap(lambda i: sums[i].sum() / tokens[i].sum(), len(sums)), rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_of_a_paired_difference_is_that_of_resampled_rows(seed: int) -> None:
    sums, tokens = draw(seed)
    other = sums * np.random.default_rng(seed + 10).normal(1.1, 0.05, len(sums))
    found = token_difference(sums, tokens, other, tokens)

    def difference(i: np.ndarray) -> float:
        return sums[i].sum() / tokens[i].sum() - other[i].sum() / tokens[i].sum()

    assert found.value == pytest.approx(difference(np.arange(len(sums))))
    assert found.stderr == pytest.approx(bootstrap(difference, len(sums)), rel=0.1)
    assert found.stderr < token_mean(sums, tokens).stderr  # the pairing takes out what the rows share


def test_the_error_of_a_mean_of_rows_is_that_of_resampled_rows() -> None:
    values = draw(4)[0]
    assert row_mean(values).stderr == pytest.approx(bootstrap(lambda i: values[i].mean(), len(values)), rel=0.1)


@given(st.integers(0, 1000), st.integers(2, 40))
def test_rows_of_one_length_have_the_same_mean_and_error_either_way(seed: int, n: int) -> None:
    sums = np.random.default_rng(seed).gamma(2.0, 3.0, n)
    tokens = np.full(n, 7.0)
    by_token, by_row = token_mean(sums, tokens), row_mean(sums / tokens)
    assert by_token.value == pytest.approx(by_row.value)
    assert by_token.stderr == pytest.approx(by_row.stderr)


@given(st.integers(0, 1000), st.integers(2, 40))
def test_a_model_does_not_differ_from_itself(seed: int, n: int) -> None:
    sums, tokens = draw(seed, n)
    for found in (token_difference(sums, tokens, sums, tokens), row_difference(sums, sums)):
        assert (found.value, found.stderr, found.count) == (0.0, 0.0, n)


@given(st.integers(0, 1000), st.integers(2, 40))
def test_a_difference_turned_round_changes_its_sign_alone(seed: int, n: int) -> None:
    left, right = draw(seed, n), draw(seed + 1, n)
    there, back = token_difference(*left, *right), token_difference(*right, *left)
    assert there.value == pytest.approx(-back.value)
    assert there.stderr == pytest.approx(back.stderr)


def test_one_row_has_no_error_and_no_rows_no_mean() -> None:
    one, none = np.array([3.0]), np.array([])
    assert (token_mean(one, one * 2).value, row_mean(one).value) == (0.5, 3.0)
    assert math.isnan(token_mean(one, one).stderr)
    assert math.isnan(row_mean(one).stderr)
    for found in (token_mean(none, none), row_mean(none), token_difference(none, none, none, none)):
        assert math.isnan(found.value)
        assert found.count == 0
