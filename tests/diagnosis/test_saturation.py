"""The α of the rule solves its equation, and moves as the formula says where rows change."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis import saturation
from spice_select.diagnosis.saturation import half_saturation
from spice_select.errors import InputError
from spice_select.testing.selection import sample_features


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def effective(rows, picks, alpha):
    """d_eff from the definition: the trace of M(M + I/α)⁻¹ with M = (k/n)GᵀG."""
    moment = picks / len(rows) * rows.T @ rows
    return float(np.trace(moment @ np.linalg.inv(moment + np.eye(len(moment)) / alpha)))


@given(
    seed=st.integers(0, 50),
    shape=st.sampled_from([(60, 9), (12, 40), (20, 20)]),
    kind=st.sampled_from(["iso", "aniso", "heavy"]),
    picks=st.sampled_from([1.0, 3.5, 8.0]),
)
@settings(max_examples=25, deadline=None)
def test_half_of_the_picks_are_effective_at_the_root(seed, shape, kind, picks):
    rows = sample_features(kind, *shape, seed=seed)
    found = half_saturation(rows, picks)
    assert effective(rows, picks, found.half) == pytest.approx(picks / 2, rel=1e-8)
    rest = np.linalg.svd(rows, compute_uv=False)[round(picks) :] ** 2
    assert found.leverage == (pytest.approx(len(rows) / rest.sum(), rel=1e-6) if rest.sum() > 1e-9 else math.inf)
    mean = float((rows**2).sum(axis=1).mean())
    assert found.alpha * mean == pytest.approx(min(max(4 * found.half * mean, 1), 100), rel=5e-3)
    assert found.alpha == float(f"{found.alpha:.3g}")


@pytest.fixture(scope="module")
def rows():
    return unit(sample_features("aniso", 80, 30, seed=1))


def test_the_order_of_rows_and_of_entries_and_any_rotation_change_nothing(rows):
    random = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(random.standard_normal((30, 30)))
    for other in (rows[random.permutation(80)], rows[:, ::-1], rows @ rotation, np.hstack([rows, np.zeros((80, 9))])):
        assert half_saturation(other, 8).half == pytest.approx(half_saturation(rows, 8).half, rel=1e-9)


def test_lengths_are_met_by_the_scale_and_drop_out_with_unit_rows(rows):
    assert half_saturation(0.01 * rows, 8).alpha == pytest.approx(1e4 * half_saturation(rows, 8).alpha, rel=1e-2)
    assert half_saturation(unit(0.01 * rows), 8).half == pytest.approx(half_saturation(rows, 8).half, rel=1e-9)


def test_every_row_twice_changes_nothing_for_as_many_picks_and_something_for_twice_as_many(rows):
    twice, once = np.vstack([rows, rows]), half_saturation(rows, 8)
    assert half_saturation(twice, 8).half == pytest.approx(once.half, rel=1e-9)
    assert half_saturation(twice, 8).leverage == pytest.approx(once.leverage, rel=1e-9)
    doubled = half_saturation(twice, 16).half
    assert effective(twice, 16, doubled) == pytest.approx(8)
    assert doubled != pytest.approx(once.half, rel=1e-3)


def test_orthonormal_rows_by_hand():
    """n equal eigenvalues 1, so n·(k/n)/((k/n) + 1/α) = k/2 at α = n/(k(2n/k − 1)); here 10/(2·9)."""
    found = half_saturation(np.eye(10), 2)
    assert found.half == pytest.approx(10 / 18)
    assert found.alpha == pytest.approx(2.22)
    assert found.leverage == pytest.approx(10 / 8)


@pytest.mark.parametrize(("picks", "alpha"), [(4, 100.0), (40, 100.0)])
def test_rows_that_span_too_little_take_the_most_in_reach_and_say_so(picks, alpha):
    found = half_saturation(np.repeat(np.eye(2), 30, axis=0), picks)
    assert (found.alpha, found.half) == (alpha, math.inf)
    assert "too few directions" in found.sentence


def test_rows_without_length_still_give_a_number():
    assert half_saturation(np.zeros((5, 3)), 2).alpha == 100.0


def test_a_large_matrix_is_sampled_and_says_so(rows, monkeypatch):
    monkeypatch.setattr(saturation, "EXACT", 25)
    found = half_saturation(rows, 8)
    assert found.sampled == 25
    assert "25 of 80 rows" in found.sentence
    assert found == half_saturation(rows, 8)
    assert found != half_saturation(rows, 8, seed=1)
    alike = half_saturation(np.repeat(np.eye(30)[:1], 80, axis=0), 1)  # any sample, scaled, has the one eigenvalue 80
    assert (alike.sampled, alike.half) == (25, pytest.approx(1))
    monkeypatch.setattr(saturation, "EXACT", 30)  # as many dimensions
    assert half_saturation(rows, 8).sampled == 80


def test_the_sample_errs_upwards_on_average(rows, monkeypatch):
    exact = half_saturation(rows, 8).half
    monkeypatch.setattr(saturation, "EXACT", 20)
    assert np.mean([half_saturation(rows, 8, seed=seed).half for seed in range(20)]) > exact


def test_no_picks_are_refused():
    with pytest.raises(InputError, match="above 0"):
        half_saturation(np.eye(3), 0)
