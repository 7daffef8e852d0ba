"""One class for what selection and diagnosis must know of all rows, taken once."""

import numpy as np
import pytest

from spice_select.diagnosis import certificate, curvature, signs, versus_random
from spice_select.methods import Candidates
from spice_select.numerics import features as module
from spice_select.numerics.features import Features, read
from spice_select.selection import Conflict, LogDet, greedy, pools
from spice_select.store import FeatureBlock


@pytest.fixture
def passes(monkeypatch) -> list[int]:
    """How many rows each pass over a matrix took the squared lengths of."""
    taken: list[int] = []

    def counted(array):
        taken.append(len(array))
        return squared_norms(array)

    squared_norms = module.squared_norms
    monkeypatch.setattr(module, "squared_norms", counted)
    return taken


def matrix(n: int = 60, d: int = 12, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, d)).astype(dtype)


def test_what_has_been_checked_is_handed_back():
    features = Features(matrix())
    assert read(features) is features
    assert read(matrix()).squares.tolist() == features.squares.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_some_rows_come_with_the_squares_they_had(passes, dtype):
    features, rows = Features(matrix(dtype=dtype)), np.array([7, 3, 59])
    part = features.take(rows)
    assert passes == [60]
    assert (part.n, part.d, len(part)) == (3, 12, 3)
    np.testing.assert_array_equal(part.array, features.array[rows])
    np.testing.assert_array_equal(part.squares, features.squares[rows])
    np.testing.assert_allclose(part.squares, (part.dense**2).sum(axis=1), rtol=1e-14)


@pytest.mark.parametrize(("n", "d"), [(12, 40), (40, 12)])
def test_compacted_rows_have_the_inner_products_of_the_rows(n, d):
    features = Features(matrix(n, d))
    assert features.compacted.shape == (n, min(n, d))
    np.testing.assert_allclose(features.compacted @ features.compacted.T, features.dense @ features.dense.T, atol=1e-5)


def test_a_selection_and_all_its_judgements_take_the_squares_once(passes):
    features, objective = Features(matrix(120)), LogDet()
    picks = greedy(features, 12, penalty=Conflict(0.1))
    pools(features, 12, pool_size=30, penalty=Conflict(0.1))
    greedy(features, 12, forced=[5, 9])
    for judge in (certificate, curvature, versus_random, signs):
        judge(features, *(() if judge is curvature else (picks,)), objective)
    assert passes == [120]


def test_candidates_square_their_gradients_once_however_often_rows_are_taken(passes):
    rows, ones = np.arange(60), np.ones(60, np.int64)
    block = FeatureBlock(rows=rows, columns={}, finite=np.ones(60, bool), features=matrix())
    candidates = Candidates(
        rows=rows, tokens=ones, supervised=ones, sources=[""] * 60, features={"gradients": block}, normalise="unit"
    )
    whole = candidates.matrix
    part = candidates.take(np.array([4, 2]))
    assert part.matrix.squares.tolist() == whole.squares[[4, 2]].tolist()
    assert passes == [60]
