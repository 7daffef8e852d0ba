"""Greedy on a variance reads all rows once for many picks, whatever it guesses, and makes no copy of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spice_select.numerics.divided import DividedRows
from spice_select.numerics.tiles import gram, symmetric_forms
from spice_select.selection import Conflict, Features, TargetVariance, greedy, naive
from spice_select.selection.objectives import DistinctVariance, variance_state
from spice_select.testing.selection import degenerate, require_same, sample_features

Ahead = variance_state.TargetVarianceState
TALL = hnp.arrays(
    np.float32,
    st.tuples(st.integers(8, 40), st.integers(1, 6)),
    elements=st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]) | st.floats(-8, 8, width=32),
)


def agree(features, k, **options):
    require_same(greedy(features, k, **options), naive(features, k, **options), str(options))


def unit_rows(matrix):
    lengths = np.sqrt(np.square(matrix, dtype=np.float64).sum(axis=1))
    return DividedRows(matrix, np.where(lengths > 0, lengths, 1.0))


@pytest.fixture
def readings(monkeypatch):
    """For each reading of all rows how many picks it was for."""
    counts, look = [], Ahead._look_ahead

    def counted(state, row):
        found = look(state, row)
        counts.append(len(found.rows))
        return found

    monkeypatch.setattr(Ahead, "_look_ahead", counted)
    return counts


@given(
    rows=TALL, unit=st.booleans(), alpha=st.sampled_from([0.1, 1.0, 30.0]), weights=st.booleans(), k=st.floats(0.1, 1)
)
@settings(max_examples=60, deadline=None)
def test_drawn_cases_agree_with_the_oracle(rows, unit, alpha, weights, k):
    features = unit_rows(rows) if unit else rows
    objective = (DistinctVariance if weights else TargetVariance)(alpha)
    count = max(1, int(k * len(rows)))
    agree(features, count, objective=objective)


@pytest.mark.parametrize("kind", ["iso", "aniso", "heavy"])
def test_stored_rows_are_read_once_for_many_picks_and_never_copied(kind, readings):
    features = Features(unit_rows(sample_features(kind, 900, 24, seed=6).astype(np.float32)))
    found = greedy(features, 150, objective=TargetVariance())
    assert "dense" not in features.__dict__
    assert len(readings) < 30
    require_same(found, naive(features, 150, objective=TargetVariance()), kind)


@pytest.mark.parametrize(
    "options",
    [
        {"excluded": list(range(0, 300, 2))},
        {"groups": np.arange(300) % 3, "quotas": {0: (20, 25), 1: (5, 8)}},
        {"penalty": Conflict(0.5)},
        {"costs": np.arange(1, 301), "per_cost": 0.7},
        {"initial": [5, 200, 17]},
    ],
    ids=lambda options: "-".join(options),
)
def test_what_guesses_do_not_know_of_changes_no_pick(options):
    features = degenerate(sample_features("aniso", 300, 10, seed=2))
    agree(features, 80, objective=TargetVariance(), **options)


def test_the_worst_of_guesses_costs_time_alone(monkeypatch, readings):
    features = sample_features("heavy", 300, 10, seed=2)
    right = greedy(features, 40, objective=TargetVariance())
    few = len(readings)
    monkeypatch.setattr(Ahead, "_leading", lambda state: state._asked[np.argsort(state.gains(state._asked))[:4]])
    require_same(greedy(features, 40, objective=TargetVariance()), right, "wrong")
    assert len(readings) - few > 30


def test_many_rows_are_read_for_fewer_picks_at_once(monkeypatch, readings):
    monkeypatch.setattr("spice_select.selection.objectives.posterior._PRODUCTS", (1800, 1800))
    features = sample_features("iso", 300, 10, seed=2)
    agree(features, 40, objective=TargetVariance())
    assert max(readings) == 3


def test_half_a_symmetric_matrix_gives_the_form_of_the_whole():
    rows, root = sample_features("iso", 7, 1100), sample_features("iso", 3, 1100, seed=1)
    np.testing.assert_allclose(symmetric_forms(rows, root.T @ root), np.square(rows @ root.T).sum(axis=1), rtol=1e-12)


def test_a_gram_matrix_of_weighted_rows():
    rows, weights = sample_features("iso", 50, 4), np.linspace(0, 2, 50)
    np.testing.assert_allclose(gram(rows, weights=weights), rows.T @ (weights[:, None] * rows), rtol=1e-12)
