"""Other λ and α are counted against the run as the definitions say; the run's own setting changes nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis import sensitivity
from spice_select.errors import InputError
from spice_select.selection import Conflict, GainRatio, LogDet, greedy, pools
from spice_select.testing.selection import sample_features

from .examples import conflict, information

ROWS = sample_features("aniso", 60, 6, seed=3)


def chosen(rows, k=12, **options):
    def select(alpha, weight):
        return greedy(rows, k, objective=LogDet(alpha), penalty=Conflict(weight), **options)

    return select


def explored(rows, select, alpha=1.0, weight=0.1, **options):
    return sensitivity(rows, select(alpha, weight), select, alpha=alpha, conflict_weight=weight, **options)


@given(seed=st.integers(0, 50), alpha=st.sampled_from([0.01, 1.0, 30.0]), weight=st.sampled_from([0.0, 0.1, 2.0]))
@settings(max_examples=15, deadline=None)
def test_every_number_equals_its_definition(seed, alpha, weight):
    rows = sample_features("heavy", 25, 4, seed=seed)
    select = chosen(rows, 8)
    own = select(alpha, weight).indices.tolist()
    found = explored(rows, select, alpha, weight, weights=(0.5,), factors=(10.0,))
    assert [v.conflict_weight for v in found.weights] == sorted({0.0, 0.5, weight})
    assert [v.alpha for v in found.alphas] == [alpha, alpha * 10]
    for variant in (*found.weights, *found.alphas):
        picks = select(variant.alpha, variant.conflict_weight).indices.tolist()
        hinges = [conflict(rows, picks[:t], picks[t]) for t in range(1, 8)]
        before = [information(rows, picks[:t], variant.alpha) for t in range(9)]
        bases = [information(rows, [x], variant.alpha) for x in picks]
        shares = [(bases[t] - (before[t + 1] - before[t])) / bases[t] for t in range(1, 8)]
        longest = sorted(range(25), key=lambda x: -float(rows[x] @ rows[x]))[:8]
        assert variant.picks == 8
        assert variant.changed == pytest.approx(len(set(picks) - set(own)) / 8)
        assert variant.information == pytest.approx(information(rows, picks, alpha) / information(rows, own, alpha))
        assert variant.conflicting == pytest.approx(np.mean([hinge > 0 for hinge in hinges]))
        assert variant.interaction == pytest.approx(np.median(shares), abs=1e-9)
        assert variant.largest == pytest.approx(len(set(picks) & set(longest)) / 8)


@pytest.mark.parametrize("stop", [(), GainRatio(0.4)])
def test_the_runs_own_setting_changes_nothing(stop):
    found = explored(ROWS, chosen(ROWS, stop=stop), weight=0.3)
    for variant in (*found.weights, *found.alphas):
        if (variant.alpha, variant.conflict_weight) == (1.0, 0.3):
            assert (variant.changed, variant.information) == (0.0, 1.0)


def test_the_first_pick_of_each_pool_counts_neither_as_conflict_nor_as_interaction():
    def select(alpha, weight):
        return pools(ROWS, 6, pool_size=10, objective=LogDet(alpha), penalty=Conflict(weight))

    found = explored(ROWS, select)  # six pools of one pick each
    assert {variant.conflicting for variant in found.weights} == {0.0}
    assert all(math.isnan(variant.interaction) for variant in found.alphas)


def test_equal_norms_leave_no_largest_rows():
    rows = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    assert all(math.isnan(variant.largest) for variant in explored(rows, chosen(rows)).weights)


def test_affordable_is_the_last_weight_before_information_is_lost():
    rows = sample_features("iso", 40, 3)
    found = explored(rows, chosen(rows, 6), weights=(0.01, 50.0))
    reached = {variant.conflict_weight: variant.information for variant in found.weights}
    assert reached[50.0] < 0.99 * reached[0.0]  # the penalty costs information here
    assert found.affordable == max(w for w, i in reached.items() if i >= 0.99 * reached[0.0]) < 50


def test_a_penalty_that_does_nothing_and_a_scale_that_hardly_matters_are_said():
    rows = np.diag(np.arange(1.0, 13.0))  # orthogonal rows: no conflict, no interaction, the longest first
    said = " ".join(explored(rows, chosen(rows, 5)).sentences)
    assert "does nothing here" in said
    assert "hardly matters" in said
    assert "as if each stood alone" in said
    interacting = sample_features("aniso", 200, 4)
    said = " ".join(explored(interacting, chosen(interacting, 40), weight=2.0, factors=(1e-4, 1e4)).sentences)
    assert "it matters here" in said
    assert "does nothing" not in said
    assert "alone" not in said


def test_zero_gradients_are_no_division_by_zero():
    rows = np.zeros((6, 3))
    found = explored(rows, chosen(rows, 3))
    assert {variant.information for variant in found.weights} == {1.0}


@pytest.mark.parametrize("options", [{"weights": (-1.0,)}, {"factors": (0.0,)}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(InputError, match="λ must be 0 or above"):
        explored(ROWS, chosen(ROWS), **options)
