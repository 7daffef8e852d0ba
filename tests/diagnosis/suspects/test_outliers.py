"""Robust residuals: what they must not see, what they must, and how many rows are listed at most."""

import numpy as np
import pytest

from spice_select.diagnosis.suspects.mismatch import mismatch_scores
from spice_select.diagnosis.suspects.outliers import MOST, listed, standardised


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_group_and_covariate_leave_no_trace(rng):
    x, noise = rng.standard_normal(400), rng.standard_normal(400)
    apart = np.where(np.arange(400) % 2, 500.0, 0.0)
    scores = [standardised(noise + 7 * x + shift, x[:, None], ["a", "b"] * 200) for shift in (apart, apart / 2)]
    assert np.std(scores[0]) == pytest.approx(1, abs=0.15)
    np.testing.assert_allclose(*scores, atol=1e-3)
    assert abs(np.corrcoef(scores[0], x)[0, 1]) < 0.12


def test_normal_noise_comes_out_standardised(rng):
    scores = standardised(rng.standard_normal(4000) * 3 + 1, rng.standard_normal((4000, 1)), [""] * 4000)
    assert abs(np.median(scores)) < 0.05
    assert np.std(scores) == pytest.approx(1, abs=0.06)


def test_a_third_of_outliers_does_not_turn_the_line(rng):
    x = rng.standard_normal(300)
    y = 2 * x + 0.1 * rng.standard_normal(300)
    bad = np.arange(300) % 3 == 0
    scores = standardised(np.where(bad, y + 50, y), x[:, None], [""] * 300)
    assert scores[bad].min() > scores[~bad].max() + 10


def test_a_group_of_one_is_judged_by_the_others(rng):
    y = np.append(rng.standard_normal(200), 30.0)
    scores = standardised(y, np.zeros((201, 1)), ["a"] * 200 + ["alone"])
    assert scores[-1] > 10


def test_no_spread_is_no_suspicion():
    assert standardised(np.ones(9), np.zeros((9, 1)), [""] * 9).tolist() == [0] * 9


def test_a_loss_that_is_no_number_has_no_score(rng):
    losses = rng.standard_normal(50)
    losses[3] = np.nan
    scores = mismatch_scores(losses, np.full(50, 4), [""] * 50)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [3]
    found = listed("x", np.arange(50), scores, 99.0, str)
    assert found.suspects == []
    assert "1 row has no score" in found.note


def test_at_most_half_are_listed_and_the_rest_is_counted():
    scores = np.arange(100.0)
    found = listed("x", np.arange(100) + 5, scores, 29.5, lambda place: f"at {place}")
    assert [suspect.row for suspect in found.suspects] == list(range(55, 105))
    assert len(found.suspects) == MOST * 100
    assert found.note.startswith("70 of 100 rows are above the cut; the 50 highest")
    assert found.suspects[0].reason == "at 50"
