"""How often a direction occurs, against the definition: every pair by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spice_select.errors import InputError
from spice_select.selection import DistinctVariance, TargetVariance, greedy, multiplicity, naive
from spice_select.selection.multiplicity import copied_share, copies_counted, have_copies, multiplicities


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


def alike(cosine: float, copies: int, distinct: int = 160, d: int = 130) -> np.ndarray:
    """Rows with copies of the first 20 at about that cosine to them; every fourth lies in its last numbers alone."""
    draw = np.random.default_rng(8)
    rows = draw.standard_normal((distinct, d))
    rows[::4, : d // 2] = 0
    noise = draw.standard_normal((copies, d)) * np.sqrt(1 / cosine**2 - 1)
    return np.concatenate([rows, rows[np.arange(copies) % 20] + noise])


@pytest.mark.parametrize("side", [130, 2048])
@pytest.mark.parametrize("cosine", [0.8, 0.9, 0.9001, 0.99])
@pytest.mark.parametrize("copies", [0, 10, 200])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_rows_told_apart_by_a_quarter_of_their_numbers_are_counted_as_whole_ones(
    monkeypatch, side, cosine, copies, shift
):
    """Few pairs alike are compared one by one, many (200 copies of 20 rows) whole."""
    monkeypatch.setattr(multiplicity, "_SIDE", side)
    rows = (alike(cosine, copies) + shift).astype(np.float32)
    assert multiplicities(rows).tolist() == by_definition(rows, 0.9)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(2, 30), st.integers(64, 70)), elements=st.integers(-2, 2)),
    st.sampled_from([0.0, 0.3, 0.9]),
)
def test_drawn_rows_are_counted_by_the_definition(rows, threshold):
    """But for pairs within rounding of the threshold, which may fall to either side."""
    expected = (by_definition(rows, threshold - 1e-9), by_definition(rows, threshold + 1e-9))
    found = multiplicities(rows, threshold)
    assert (np.minimum(*expected) <= found).all()
    assert (found <= np.maximum(*expected)).all()


def test_few_copies_do_not_count():
    """Of 250 rows all are looked at: 24 that have a copy are too few, and 25 are not."""
    draw = np.random.default_rng(1)
    for copies in (0, 12, 13, 60):
        rows = draw.standard_normal((250, 80))
        rows[:copies] = rows[100 : 100 + copies]
        told: list[int] = []
        found = copies_counted(rows, told.append)
        assert sum(told) == 250
        assert found.tolist() == (multiplicities(rows) if copies > 12 else np.ones(250)).tolist()
    assert copied_share(rows[160:]) == 0.0
    assert copied_share(np.concatenate([rows[200:], rows[200:]])) == 1.0


def test_without_many_copies_picks_are_those_for_all_rows_alike():
    rows = np.random.default_rng(2).standard_normal((120, 70))
    rows[:2] = rows[50:52]
    plain, once = (greedy(rows, 30, objective=objective()) for objective in (TargetVariance, DistinctVariance))
    assert once.indices.tolist() == plain.indices.tolist()
    assert once.gains.tolist() == plain.gains.tolist()


def test_counts_may_be_given_one_for_each_row():
    rows = np.random.default_rng(3).standard_normal((20, 8))
    counts = np.arange(1, 21)
    root = rows / np.sqrt(counts)[:, None]
    expected = greedy(rows, 9, objective=TargetVariance(target=root))
    assert greedy(rows, 9, objective=DistinctVariance(counts=counts)).indices.tolist() == expected.indices.tolist()
    with pytest.raises(InputError, match="19 counts for 20 rows"):
        greedy(rows, 9, objective=DistinctVariance(counts=counts[1:]))


def test_counts_that_are_given_go_with_forced_rows():
    rows = np.random.default_rng(4).standard_normal((40, 8))
    rows[20:] = rows[:20]
    known, unknown = DistinctVariance(counts=np.full(40, 2)), DistinctVariance()
    for select in (greedy, naive):
        found = [select(rows, 8, objective=one, forced=[3, 5]).indices.tolist() for one in (known, unknown)]
        assert found[0] == found[1]


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
    assert told == [6, 4, 0], "by pairs: 10 and 24 of 34, then 3"


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
