"""The trainer's step: fast picks are naive picks, and it does what it is for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.errors import InputError
from spice_select.methods.base import GRADIENTS
from spice_select.methods.steps import step_scales
from spice_select.selection import MatchedStep, greedy, naive
from spice_select.testing.method import sample_candidates
from spice_select.testing.selection import degenerate, require_same, sample_features


@given(seed=st.integers(0, 60), tasks=st.integers(1, 3), kind=st.sampled_from(["iso", "heavy", "aniso"]))
def test_fast_picks_are_naive_picks(seed: int, tasks: int, kind: str) -> None:
    features = degenerate(sample_features(kind, 24, 6, seed), seed)
    target = sample_features("iso", 5, 6, seed + 1)
    scales = np.random.default_rng(seed).uniform(0.1, 5.0, 24)
    objective = MatchedStep(target=target, tasks=[str(row % tasks) for row in range(5)], scales=scales)
    require_same(greedy(features, 20, objective=objective), naive(features, 20, objective=objective), "matched step")


def test_the_value_is_the_cosine_of_the_sums() -> None:
    features, target = sample_features("iso", 9, 5, 1), sample_features("iso", 3, 5, 2)
    scales = np.arange(1.0, 10.0)
    step, wanted = scales[2] * features[2] + scales[7] * features[7], target.sum(axis=0)
    cosine = step @ wanted / np.linalg.norm(step) / np.linalg.norm(wanted)
    assert MatchedStep(target=target, scales=scales).value(features, [2, 7]) == pytest.approx(cosine, rel=1e-12)


def test_it_stops_asking_for_a_direction_that_it_has_enough_of() -> None:
    features = np.array([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4)
    picks = greedy(features, 4, objective=MatchedStep(target=np.array([[1.0, 1.0]]))).indices.tolist()
    assert sorted(pick < 4 for pick in picks) == [False, False, True, True]


def test_tasks_of_any_size_ask_for_as_much() -> None:
    features = np.eye(2)[[0, 0, 0, 1, 1, 1]]
    target = np.array([[100.0, 0.0], [100.0, 0.0], [0.0, 0.1]])
    picks = greedy(features, 4, objective=MatchedStep(target=target, tasks=["a", "a", "b"])).indices
    assert sorted((picks < 3).tolist()) == [False, False, True, True]


def test_opposite_tasks_and_tasks_of_nothing_are_refused() -> None:
    for target, words in ((np.array([[1.0, 0.0], [-2.0, 0.0]]), "opposite"), (np.zeros((2, 2)), "add up to zero")):
        with pytest.raises(InputError, match=words):
            greedy(np.eye(2), 1, objective=MatchedStep(target=target, tasks=["a", "b"]))


@pytest.mark.parametrize("normalise", ["none", "unit"])
@pytest.mark.parametrize("summed", [False, True])
def test_scales_make_the_gradient_summed_over_the_tokens(normalise: str, summed: bool) -> None:
    from dataclasses import replace

    own = replace(sample_candidates(12, 5, features=(GRADIENTS,)), normalise=normalise, scales=np.linspace(0.5, 2, 12))
    block = own.features[GRADIENTS]
    steps = own.matrix.dense * step_scales(own, summed=summed)[:, None]
    wanted = block.features * (1 if summed else block.supervised[:, None])
    np.testing.assert_allclose(steps, wanted, rtol=1e-6)


def test_rows_of_equal_gradients_and_other_tokens_are_not_one_row() -> None:
    """A long answer and a short one of one gradient make steps of other lengths."""
    rows = np.array([[0, 0], *[[-1, -1]] * 3, *[[1, 0]] * 2], dtype=float)
    objective = MatchedStep(target=np.array([[0.947, -0.704]]), scales=np.array([5.0, 5, 8, 3, 7, 6]))
    for select in (greedy, naive):
        found = select(rows, 2, objective=objective)
        worth = [objective.value(rows, found.indices[: count + 1]) for count in range(2)]
        np.testing.assert_allclose(found.gains, np.diff([0, *worth]), atol=1e-9)
        assert sorted(select(rows, 2, objective=objective, forced=[4, 5]).indices.tolist()) == [4, 5]


def test_ties_of_gains_below_zero_go_to_the_lowest_row() -> None:
    """Rows that are mirrored about the target take as much from the cosine, up to rounding."""
    first = np.random.default_rng(3).normal(size=(8, 5))
    rows = np.vstack([[9, 0, 0, 0, 0, 0], *(np.append(0.1, sign * row) for row in first for sign in (1, -1))])
    objective = MatchedStep(target=np.eye(6)[:1])
    for select in (greedy, naive):
        found = select(rows, 2, objective=objective)
        assert found.gains[1] < 0
        best = [row for row in range(1, 17) if np.isclose(objective.value(rows, [0, row]), found.gains.sum())]
        assert found.indices.tolist() == [0, min(best)]
