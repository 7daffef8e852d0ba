"""How well random draws follow the mean of all rows: the formula, held to all pairs and to actual draws."""

import itertools

import numpy as np
import pytest

from spice_select.diagnosis.common_direction import common_share, drawn_alignment, random_alignment
from spice_select.diagnosis.conflict import pair_cosines
from spice_select.diagnosis.explained import Explained
from spice_select.diagnosis.headroom_line import headroom_line
from spice_select.errors import InputError

PULL = {"cosine": 0.0, "cosine_draws": np.zeros(3)}


def rows_of_length_one(n: int, d: int, common: float, seed: int = 0) -> np.ndarray:
    """Rows whose mean cosine is about `common`."""
    noise = np.random.default_rng(seed).normal(size=(n, d)) / np.sqrt(d)
    rows = np.sqrt(1 - common) * noise
    rows[:, 0] += np.sqrt(common)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("common", [0.0, 0.05, 0.6])
def test_it_is_the_mean_cosine_of_all_pairs_where_rows_have_length_one(common: float) -> None:
    rows = rows_of_length_one(60, 40, common)
    assert common_share(rows) == pytest.approx(pair_cosines(rows).mean, abs=1e-12)


def test_it_is_the_mean_product_of_pairs_over_the_mean_square_where_they_have_not() -> None:
    rows = np.random.default_rng(1).normal(size=(9, 5)) + 0.3
    products = [left @ right for left, right in itertools.combinations(rows, 2)]
    assert common_share(rows) == pytest.approx(np.mean(products) / np.mean((rows**2).sum(axis=1)))
    padded = np.vstack([rows, np.zeros((3, 5))])
    assert common_share(padded) == pytest.approx(common_share(rows)), "rows of zeros have no direction"


def test_one_row_has_no_mean_cosine() -> None:
    with pytest.raises(InputError, match="1 rows are not zero"):
        common_share(np.array([[1.0, 2.0]]))


@pytest.mark.parametrize(("picks", "known"), [(97, 0.88), (1000, 0.986), (9750, 0.9985)])
def test_what_it_is_at_a_mean_cosine_of_034(picks: int, known: float) -> None:
    assert random_alignment(0.034, picks) == pytest.approx(known, abs=0.002)


def test_it_is_the_formula_for_a_pool_without_end_and_one_for_all_rows() -> None:
    assert random_alignment(0.1, 7) == pytest.approx(1 / np.sqrt(1 + 0.9 / 0.7))
    assert random_alignment(0.1, 7, 10**9) == pytest.approx(random_alignment(0.1, 7))
    assert random_alignment(0.1, 50, 50) == pytest.approx(1.0)
    assert random_alignment(-0.01, 5) == 0.0
    assert random_alignment(1.0, 1) == 1.0


@pytest.mark.parametrize("common", [0.03, 0.3])
@pytest.mark.parametrize("picks", [10, 60])
def test_actual_draws_agree_with_it(common: float, picks: int) -> None:
    found = drawn_alignment(rows_of_length_one(600, 300, common), picks, draws=40)
    assert found.cosines.mean() == pytest.approx(found.expected, abs=0.02)
    again = drawn_alignment(rows_of_length_one(600, 300, common), picks, draws=40)
    np.testing.assert_array_equal(found.cosines, again.cosines)


def test_the_line_says_what_random_picks_do_and_on_which_rows_a_target_was_judged() -> None:
    line = headroom_line(0.034, 97)
    assert "97 rows" in line
    assert "cos 0.879" in line
    assert "what a choice gains on it is small" in line
    unmeasured = headroom_line(0.034, 97, measured=False)
    assert "cos 0.879" in unmeasured
    assert "of a nat" not in unmeasured
    assert "has not been shown" in unmeasured
    reached = Explained(
        task="sums", rows=8, share=0.4, draws=np.array([0.1, 0.3]), cosine=0.0, cosine_draws=np.zeros(3)
    )
    assert "sums 2.0 times" in headroom_line(0.034, 97, [reached])
    assert "--hold-out-target" in headroom_line(0.034, 97, [reached])
    assert "--hold-out-target" not in headroom_line(0.034, 97, [reached], held_out=True)


def test_ratio_and_z_where_random_picks_explain_nothing_or_do_not_vary() -> None:
    nothing = Explained(task="", rows=1, share=0.0, draws=np.zeros(3), **PULL)
    assert (nothing.ratio, nothing.z) == (1.0, 0.0)
    something = Explained(task="", rows=1, share=0.1, draws=np.zeros(3), **PULL)
    assert (something.ratio, something.z) == (np.inf, np.inf)
