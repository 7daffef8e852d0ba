"""How often a direction occurs, against the definition: every pair by itself."""

import numpy as np
import pytest

from spice_select.errors import InputError
from spice_select.selection import TargetVariance, greedy, multiplicity, naive
from spice_select.selection.multiplicity import have_copies, multiplicities
from spice_select.selection.objectives import DistinctVariance


def by_definition(matrix: np.ndarray, threshold: float) -> list[int]:
    centred = matrix.astype(np.float64) - matrix.astype(np.float64).mean(0)
    counts = []
    for i, one in enumerate(centred):
        near = 1
        for j, other in enumerate(centred):
            lengths = np.linalg.norm(one) * np.linalg.norm(other)
            near += i != j and lengths > 0 and one @ other / lengths > threshold
        counts.append(near)
    return counts


@pytest.mark.parametrize("side", [4, 7, 2048])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_are_those_of_the_definition(monkeypatch, side, threshold, dtype):
    monkeypatch.setattr(multiplicity, "_SIDE", side)
    draw = np.random.default_rng(3)
    distinct = draw.standard_normal((12, 5))
    rows = np.concatenate([distinct, distinct[:6], distinct[:3] + 0.05 * draw.standard_normal((3, 5))]).astype(dtype)
    assert multiplicities(rows, threshold).tolist() == by_definition(rows, threshold)


def test_copies_count_one_another_by_hand():
    """Mean (0, 0): two rows along x, one of them longer, two against, one of each along y."""
    rows = np.array([[1, 0], [2, 0], [-1, 0], [-2, 0], [0, 1], [0, -1]], float)
    assert multiplicities(rows).tolist() == [2, 2, 2, 2, 1, 1]


def test_a_row_without_a_direction_counts_itself():
    assert multiplicities(np.ones((5, 3))).tolist() == [1] * 5
    assert multiplicities(np.full((5, 3), 0.1, np.float32)).tolist() == [1] * 5
    assert multiplicities(np.array([[1.0, 0], [-1, 0], [0, 0], [0, 0]])).tolist() == [1, 1, 1, 1]


def test_every_row_is_counted_once(monkeypatch):
    monkeypatch.setattr(multiplicity, "_SIDE", 4)
    told: list[int] = []
    multiplicities(np.eye(10), advance=told.append)
    assert sum(told) == 10


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_is_a_cosine(threshold):
    with pytest.raises(InputError, match="threshold"):
        multiplicities(np.eye(2), threshold)


def test_copies_do_not_make_a_direction_more_wanted() -> None:
    draw = np.random.default_rng(5)
    distinct = draw.normal(size=(30, 12))
    distinct /= np.linalg.norm(distinct, axis=1, keepdims=True)
    copied = np.vstack([distinct, *[distinct[:1]] * 60])
    plain, corrected = greedy(copied, 8, objective=TargetVariance()), greedy(copied, 8, objective=DistinctVariance())
    assert plain.indices[0] == 0, "sixty copies make it the most wanted"
    assert corrected.indices.tolist() == greedy(distinct, 8, objective=TargetVariance()).indices.tolist()
    assert naive(copied, 8, objective=DistinctVariance()).indices.tolist() == corrected.indices.tolist()


@pytest.mark.parametrize("side", [4, 7, 2048])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_rows_that_have_copies_are_those_that_count_more_than_once(monkeypatch, side, threshold):
    monkeypatch.setattr(multiplicity, "_SIDE", side)
    draw = np.random.default_rng(4)
    distinct = draw.standard_normal((12, 5))
    matrix = np.concatenate([distinct, distinct[:6], np.zeros((2, 5))]).astype(np.float32)
    rows = draw.permutation(len(matrix))[:11]
    expected = [by_definition(matrix, threshold)[row] > 1 for row in rows]
    assert have_copies(matrix, rows, threshold).tolist() == expected
    assert threshold < 0.9 or (any(expected) and not all(expected))
    with pytest.raises(InputError, match="threshold=1"):
        have_copies(matrix, rows, 1.0)
