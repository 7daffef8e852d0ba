"""Spearman's ρ and its permutation p."""

import math

import numpy as np
import pytest
from benchmarks.evidence.ranks import spearman
from scipy import stats

from spice_select.errors import InputError


def test_rank_correlation():
    rng = np.random.default_rng(12)
    x = rng.random(24)
    y = (x + 0.5 * rng.random(24)).tolist()
    found = spearman(x.tolist(), y)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.p < 0.001
    assert spearman([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).rho == pytest.approx(-1)
    assert spearman([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).p == pytest.approx(2 / math.factorial(5))  # all orders
    with pytest.raises(InputError, match="does not vary"):
        spearman([1, 1, 1, 1], [1, 2, 3, 4])
    with pytest.raises(InputError, match="at least 4"):
        spearman([1, 2], [1, 2])


def test_permutation_p_is_uniform_where_there_is_nothing():
    rng = np.random.default_rng(13)
    ps = [spearman(rng.random(12).tolist(), rng.random(12).tolist(), draws=199).p for _ in range(200)]
    assert np.mean(np.array(ps) < 0.1) == pytest.approx(0.1, abs=0.06)
