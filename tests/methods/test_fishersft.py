"""FisherSFT: the worked example, and lazy greedy on few directions against log det of all tokens."""

from itertools import islice

import numpy as np
import pytest

from spice_select.features.directions import DIRECTIONS, main_directions, projection
from spice_select.methods import METHODS
from spice_select.methods.budget import Allowance
from spice_select.methods.fishersft import TokenInformation, prior
from spice_select.methods.stepwise import lazily
from spice_select.progress import Silent
from spice_select.testing.method import sample_candidates


def value(rows: list[np.ndarray], picks: list[int], square: float) -> float:
    """log det(σ₀²I + Σ x xᵀ) − log det(σ₀²I), from all tokens of the rows picked."""
    width = rows[0].shape[1]
    known = square * np.eye(width) + sum((rows[pick].T @ rows[pick] for pick in picks), np.zeros((width, width)))
    return float(np.linalg.slogdet(known)[1] - width * np.log(square))


def naive(rows: list[np.ndarray], k: int, square: float) -> list[int]:
    picks: list[int] = []
    for _ in range(k):
        values = {row: value(rows, [*picks, row], square) for row in range(len(rows)) if row not in picks}
        best = max(values.values())
        picks.append(min(row for row, found in values.items() if found >= best - 1e-9))
    return picks


def test_the_worked_example() -> None:
    """Gains log 3, log 2, log 3: a tie, row 0; then .8473 for row 2 against .6931; log det log 11."""
    rows = np.array([[[1, 0], [1, 0]], [[0, 1], [0, 0]], [[1, 1], [0, 0]]], np.float32)
    state = TokenInformation(rows, 1.0)
    np.testing.assert_allclose(state.gains(np.arange(3)), np.log([3, 2, 3]))
    state.add(0)
    np.testing.assert_allclose(state.gains(np.array([2, 1])), [0.8473, 0.6931], atol=5e-5)
    assert list(lazily(TokenInformation(rows, 1.0), np.arange(3))) == [0, 2, 1]
    again = TokenInformation(rows, 1.0)
    np.testing.assert_allclose(sum(again.taken(row) for row in range(3)), np.log(11))


def test_lazy_greedy_on_all_directions_is_log_det_of_all_tokens() -> None:
    """Rows of up to eight tokens lose nothing; some are copies."""
    draw = np.random.default_rng(0)
    rows = [draw.normal(size=(draw.integers(1, 9), 12)) + 0.5 for _ in range(30)]
    rows[9] = rows[4].copy()
    few = np.stack([main_directions(row)[0] for row in rows])
    for square in (0.1, 10.0):
        found = list(islice(lazily(TokenInformation(few, square), np.arange(30)), 20))
        assert found == naive(rows, 20, square)


def test_directions_keep_the_largest_eigenpairs_of_the_sum_of_squares() -> None:
    states = np.random.default_rng(1).normal(size=(40, 20)) * np.linspace(3, 0.1, 20)
    found, share = main_directions(states)
    values, vectors = np.linalg.eigh(states.T @ states)
    due = (vectors[:, -DIRECTIONS:] * values[-DIRECTIONS:]) @ vectors[:, -DIRECTIONS:].T
    np.testing.assert_allclose(found.T @ found, due, atol=1e-9)
    np.testing.assert_allclose(share, values[-DIRECTIONS:].sum() / values.sum())
    assert (found.max(axis=1) >= -found.min(axis=1)).all(), "the sign is decided"
    assert main_directions(np.zeros((3, 5)))[1] == 1.0


def test_the_projection_keeps_inner_products_and_is_seeded() -> None:
    assert projection(128, 0, "x") is None
    made = projection(576, 0, "x")
    assert made is not None
    np.testing.assert_array_equal(made, projection(576, 0, "x"))
    assert not np.array_equal(made, projection(576, 1, "x"))
    one, other = np.random.default_rng(2).normal(size=(2, 576))
    draws = [
        (one @ found) @ (other @ found) for seed in range(200) if (found := projection(576, seed, "x")) is not None
    ]
    spread = np.linalg.norm(one) * np.linalg.norm(other) / np.sqrt(128)
    assert abs(np.mean(draws) - one @ other) < 4 * spread / np.sqrt(200)


def test_a_choice_says_what_each_pick_added_and_what_was_kept() -> None:
    candidates = sample_candidates(30, features=("token-states",))
    method = METHODS["fishersft"].of({})
    choice = method.choose(candidates, Allowance(rows=12), seed=0, progress=Silent())
    block = candidates.features["token-states"]
    rows = [row.reshape(DIRECTIONS, -1).astype(np.float64) for row in block.features]
    assert prior(candidates) == pytest.approx(1.5)
    np.testing.assert_allclose(choice.columns["information"].sum(), value(rows, choice.indices.tolist(), 1.5))
    assert (np.diff(choice.columns["information"]) <= 1e-9).all(), "gains fall"
    np.testing.assert_array_equal(choice.columns["kept"], block["kept"][choice.indices])
    assert "σ₀² = 1.5" in method.notes(candidates, choice)[0]


def test_a_copy_is_not_taken_before_what_is_new() -> None:
    row = np.array([[2.0, 0], [1, 0]])
    rows = np.stack([row, row, row[:, ::-1]]).astype(np.float32)
    assert list(lazily(TokenInformation(rows, 1.0), np.arange(3))) == [0, 2, 1]


def test_few_directions_of_long_rows_of_wide_states_gain_what_all_tokens_do() -> None:
    """Sixty tokens of 400 numbers, most of a row's squares in few directions, as those of a text are."""
    draw = np.random.default_rng(3)
    rows = [
        (draw.normal(size=(60, 6)) * draw.uniform(0.5, 4)) @ draw.normal(size=(6, 400)) + draw.normal(size=(60, 400))
        for _ in range(24)
    ]
    shorten = projection(400, 0, "x")
    assert shorten is not None
    square = float(np.mean([(row**2).mean() for row in rows]))
    few = np.stack([main_directions(row @ shorten)[0] for row in rows])
    found = TokenInformation(few, square).gains(np.arange(24))
    due = np.array([value(rows, [row], square) for row in range(24)])
    assert np.corrcoef(found, due)[0, 1] > 0.97
