"""Curvature by leverage equals curvature by leaving each row out, and guarantees what greedy reaches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis import curvature
from spice_select.selection import LogDet

from .examples import information, naive, optimum


def left_out(rows, alpha):
    n = len(rows)
    ratios = []
    for x in range(n):
        alone = information(rows, [x], alpha)
        if alone > 0:
            rest = [i for i in range(n) if i != x]
            ratios.append((information(rows, range(n), alpha) - information(rows, rest, alpha)) / alone)
    return 1 - min(ratios) if ratios else 0.0


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 15), st.integers(1, 15), st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 1e3]))
def test_leverage_scores_give_the_curvature_of_the_definition(n, d, seed, alpha):
    rows = np.random.default_rng(seed).standard_normal((n, d)).round(2).astype(np.float32)  # of what is all but zero
    # the definition, a difference, keeps no digits
    rows[0] *= seed % 2
    assert curvature(rows, LogDet(alpha)).value == pytest.approx(left_out(rows, alpha), abs=1e-6)


def test_greedy_reaches_the_guarantee():
    for seed in range(15):
        rows = np.random.default_rng(seed).standard_normal((9, 4)) * 0.5
        reached = naive(rows, 3).gains.sum()
        assert reached >= curvature(rows, LogDet()).guarantee * optimum(rows, 3) - 1e-12


def test_orthogonal_rows_have_none_and_a_duplicate_names_itself():
    assert curvature(np.eye(4), LogDet()).value == pytest.approx(0, abs=1e-12)
    assert curvature(np.eye(4), LogDet()).guarantee == pytest.approx(1)
    rows = np.vstack([np.eye(4), 1e3 * np.eye(4)[2]])
    found = curvature(rows, LogDet())
    assert found.row == 2
    assert found.value == pytest.approx(1, abs=1e-5)
    assert found.guarantee == pytest.approx(1 - np.exp(-1), abs=1e-4)


def test_faint_rows_hardly_interact():
    rows = np.random.default_rng(0).standard_normal((30, 5))
    assert curvature(rows * 1e-12, LogDet()).value < 1e-9
    assert curvature(rows * 1e-12, LogDet()).guarantee == pytest.approx(1)


def test_zero_rows_have_no_curvature():
    found = curvature(np.zeros((3, 2)), LogDet())
    assert (found.value, found.row, found.guarantee) == (0.0, -1, 1.0)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3), (9, 4)])
@pytest.mark.parametrize("scale", [1e4, 1e7, 1e9])
def test_near_copies_of_any_size_promise_no_more_than_holds(shape, scale):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        rows = rng.standard_normal((shape[0], 1)) * rng.standard_normal(shape[1])
        rows = scale * (rows + 10.0 ** -rng.integers(1, 9) * rng.standard_normal(shape))
        truth = left_out(rows, 1.0)
        assert truth - 1e-9 <= curvature(rows, LogDet()).value <= truth + 1e-3
