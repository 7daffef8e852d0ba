"""Cosines, norms and spectra agree with their definitions and tell known kinds of data apart."""

import numpy as np
import pytest

from spice_select.diagnosis import conflict_statistics, pair_cosines, profile
from spice_select.errors import InputError
from spice_select.selection import LogDet

from .examples import naive


def test_all_pairs_are_used_where_there_are_few():
    rows = np.random.default_rng(0).standard_normal((30, 4))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    truth = (unit @ unit.T)[np.triu_indices(30, 1)]
    found = pair_cosines(rows)
    assert found.count == 435
    assert found.mean == pytest.approx(truth.mean())
    assert found.negative == pytest.approx((truth < 0).mean())
    assert found.quantiles[0] == pytest.approx(truth.min())


def test_a_sample_is_seeded_and_near_the_truth():
    rows = np.random.default_rng(1).standard_normal((500, 6)) + 0.5
    sampled, exact = pair_cosines(rows, pairs=20_000, seed=1), pair_cosines(rows, pairs=200_000)
    assert sampled == pair_cosines(rows, pairs=20_000, seed=1)
    assert sampled != pair_cosines(rows, pairs=20_000, seed=2)
    assert sampled.mean == pytest.approx(exact.mean, abs=0.01)
    assert sampled.negative == pytest.approx(exact.negative, abs=0.01)


def test_a_sampled_pair_never_is_a_row_with_itself():
    assert pair_cosines(np.eye(3), pairs=2, seed=0).quantiles[-1] == 0
    assert all(pair_cosines(np.eye(40), pairs=500, seed=s).quantiles[-1] == 0 for s in range(20))


def test_zero_rows_have_no_direction():
    rows = np.array([[1.0, 0], [0, 0], [-1.0, 0]])
    assert pair_cosines(rows).mean == -1
    with pytest.raises(InputError, match="1 of 2 rows"):
        pair_cosines(rows[:2])


def test_conflicting_picks_are_counted_without_the_first():
    rows = np.array([[2.0, 0], [-1.0, 0.1], [1.0, 0.2]])
    found = conflict_statistics(rows, naive(rows, 3), LogDet())
    picks = naive(rows, 3)
    assert found.conflicting == pytest.approx((picks.conflicts[1:] > 0).mean())
    assert found.mean_conflict == pytest.approx(picks.conflicts[1:].mean(), abs=1e-9)
    with pytest.raises(InputError, match="one pick"):
        conflict_statistics(rows, naive(rows, 1), LogDet())


def test_the_spectrum_of_equal_directions_has_full_effective_rank():
    found = profile(np.vstack([np.eye(5)] * 4) * 3)
    assert found.effective_rank == pytest.approx(5)
    assert found.participation == pytest.approx(5)
    assert found.energy == pytest.approx((0.2, 1, 1))
    assert found.decay == pytest.approx(0, abs=1e-9)
    assert found.mean_squared_norm == pytest.approx(9)
    assert found.log_norm_std == pytest.approx(0, abs=1e-12)


def test_a_power_law_is_recovered():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((20_000, 40)) / np.sqrt(np.arange(1, 41))
    found = profile(rows)
    assert found.decay == pytest.approx(1, abs=0.05)
    heavy = rows / np.linalg.norm(rows, axis=1, keepdims=True) * rng.lognormal(0, 1, (20_000, 1))
    assert profile(heavy).log_norm_std == pytest.approx(1, abs=0.03)
    assert found.log_norm_std < 0.5


def test_a_few_long_rows_do_not_move_the_spectrum_of_directions():
    rows = np.random.default_rng(3).standard_normal((2000, 20))
    rows[:2] *= 1e4
    found = profile(rows)
    assert found.effective_rank < 3
    assert found.direction_decay == pytest.approx(0, abs=0.2)


def test_few_rows_of_many_dimensions_have_the_same_profile_turned():
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((20, 20))
    turned = rows @ np.linalg.qr(rng.standard_normal((300, 20)))[0].T
    a, b = profile(rows), profile(turned)
    assert a.effective_rank == pytest.approx(b.effective_rank)
    assert a.cosines.mean == pytest.approx(b.cosines.mean)
