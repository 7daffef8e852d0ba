"""The decomposition equals the definitions, and the inner products bound ε on both sides."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis import decompose
from spice_select.diagnosis import epsilon as module
from spice_select.errors import InputError
from spice_select.numerics.ranks import ranks, spearman
from spice_select.selection import LogDet

from .examples import conflict, information, naive, pooled


def definitions(rows, picks, alpha):
    """base, Δ, conflict, Σ(gᵀg)², ρ of every pick, one determinant at a time."""
    rows = rows.astype(np.float64)
    columns = []
    for place, (x, pool) in enumerate(zip(picks.indices, picks.pools, strict=True)):
        before = [i for i, p in zip(picks.indices[:place], picks.pools[:place], strict=True) if p == pool]
        gain = information(rows, [*before, x], alpha) - information(rows, before, alpha)
        fisher = rows[before].T @ rows[before]
        columns.append(
            [
                np.log1p(alpha * rows[x] @ rows[x]),
                gain,
                conflict(rows, before, x),
                float(((rows[before] @ rows[x]) ** 2).sum()),
                alpha * float(np.linalg.eigvalsh(fisher)[-1]) if before else 0.0,
            ]
        )
    return np.array(columns).T


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 14),
    st.integers(1, 20),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-3, 1.0, 1e3]),
    st.sampled_from([1, 3, 256]),
    st.sampled_from([0, 512]),
)
def test_every_quantity_equals_its_definition_whatever_the_block(n, d, seed, alpha, block, searched):
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    picks = naive(rows, n, alpha, weight=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        patch.setattr(module, "SEARCHED", searched)
        found = decompose(rows, picks, LogDet(alpha))
    bases, gains, conflicts, inner, radii = definitions(rows, picks, alpha)
    np.testing.assert_allclose(found.bases, bases, rtol=1e-9)
    np.testing.assert_allclose(found.gains, gains, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.conflicts, conflicts, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.inner, inner, rtol=1e-8, atol=1e-9)
    assert (found.radii >= radii * (1 - 1e-9) - 1e-12).all()
    assert found.violations == found.published_violations == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 20), st.integers(1, 10), st.integers(0, 2**32 - 1), st.floats(-4, 6))
def test_inner_products_bound_epsilon_on_both_sides_at_any_scale(n, d, seed, exponent):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d)) * rng.lognormal(0, 1, n)[:, None]
    rows[-1] = rows[0]
    found = decompose(rows, naive(rows, n), LogDet(10.0**exponent))
    assert found.violations == 0
    assert (found.epsilons <= 1e-9).all()
    assert found.published_violations == 0


def test_the_upper_side_is_attained_as_the_information_goes_to_nothing():
    rows = np.random.default_rng(5).standard_normal((20, 4)) * 1e-2
    found = decompose(rows, naive(rows, 10), LogDet())
    np.testing.assert_allclose(-found.epsilons[1:], found.upper[1:], rtol=1e-2)
    np.testing.assert_allclose(-found.epsilons[1:], found.lower[1:], rtol=1e-2)


def test_the_upper_side_needs_no_constant_and_is_below_all_others():
    rows = np.random.default_rng(6).standard_normal((40, 4)) * 3
    found = decompose(rows, naive(rows, 20), LogDet())
    assert (found.upper[1:] < found.middle[1:]).all()
    assert (found.middle[1:] <= found.loose[1:]).all()


@pytest.mark.parametrize(("field", "factor"), [("lower", 20), ("upper", 0.1), ("middle", 0.01), ("loose", 1e-4)])
def test_violations_are_counted_when_there_are_some(field, factor):
    rows = np.random.default_rng(0).standard_normal((20, 3))
    found = decompose(rows, naive(rows, 10), LogDet())
    wrong = replace(found, **{field: getattr(found, field) * factor})
    assert wrong.violations >= 5


def test_the_published_bound_applies_to_small_gradients_only():
    rows = np.random.default_rng(1).standard_normal((20, 5))
    small = decompose(rows * 0.05, naive(rows * 0.05, 10), LogDet())
    large = decompose(rows, naive(rows, 10), LogDet())
    assert small.published_applies == 9
    assert large.published_applies == 0


def test_each_pool_starts_afresh():
    rows = np.random.default_rng(2).standard_normal((20, 5))
    picks = pooled(rows, 3, [range(10), range(10, 20)], weight=0.3)
    found = decompose(rows, picks, LogDet())
    np.testing.assert_allclose(found.gains, picks.gains, rtol=1e-9)
    np.testing.assert_allclose(found.conflicts, picks.conflicts, atol=1e-12)
    assert found.firsts.tolist() == [True, False, False, True, False, False]
    assert found.epsilons[3] == pytest.approx(0)


def test_ranks_share_ties_and_spearman_sees_order_only():
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
    x = np.random.default_rng(3).standard_normal(50)
    assert spearman(x, np.exp(x)) == pytest.approx(1)
    assert spearman(x, -(x**3)) == pytest.approx(-1)
    assert np.isnan(spearman(x, np.zeros(50)))
    assert np.isnan(spearman(x[:2], x[:2]))


def test_spearman_agrees_with_scipy_on_ties():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 5, 80), rng.integers(0, 7, 80)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_a_scale_beyond_the_range_of_float64_is_refused_and_one_within_is_not():
    rows = np.random.default_rng(0).standard_normal((6, 3))
    with pytest.raises(InputError, match=r"alpha=1e\+300.*smaller alpha"):
        decompose(rows, naive(rows, 3), LogDet(1e300))
    assert decompose(rows * 1e-77, naive(rows, 3), LogDet(1e155)).violations == 0
