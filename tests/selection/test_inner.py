"""The inner loop of a block against its definition: what is picked, and what is left of the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.selection.paths.blocked import kernels
from spice_select.selection.paths.blocked.inner import OVERFLOW, CompiledInner, Conflicts, Inner
from spice_select.selection.paths.blocked.whitened import EMPTY, WhitenedRows
from spice_select.selection.paths.ledger import TIE

needs_kernel = pytest.mark.skipif(kernels.compiled is None, reason="the package was built without")
LOOPS = [Inner, pytest.param(CompiledInner, marks=needs_kernel)]


def pool_of(G, size, numbers=None):
    """A pool that holds the rows of G, with places to spare."""
    pool = WhitenedRows(size, (int(max(numbers) + 1) if numbers is not None else len(G), G.shape[1]), raw=True)
    numbers = np.arange(len(G)) if numbers is None else np.asarray(numbers)
    at = {int(number): row for row, number in enumerate(numbers)}
    pool.bring(numbers, lambda rows: G[[at[int(row)] for row in rows]], lambda X: X.copy())
    return pool


def loop_of(loop, pool, *, alpha=1.0, conflicts=None, costs=None, allowed=None):
    open_ = pool.rows != EMPTY
    if allowed is not None:
        open_ &= allowed
    return loop(pool, open_, alpha=alpha, most=pool.size, conflicts=conflicts, costs=costs)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e4])
def test_picks_gains_and_penalties_are_those_of_the_definition(loop, weight, alpha):
    rng = np.random.default_rng(3)
    G = rng.standard_normal((37, 9))
    pool = pool_of(G, 41)
    conflicts = Conflicts(pool, np.zeros(9), 0, eta=1e-8, weight=weight) if weight else None
    run = loop_of(loop, pool, alpha=alpha, conflicts=conflicts)
    order: list[int] = []
    for _ in range(37):
        found = run.best(-np.inf)
        inverse = np.linalg.inv(np.eye(9) + alpha * G[order].T @ G[order])
        gains = np.log1p(alpha * np.einsum("ij,jk,ik->i", G, inverse, G))
        penalties = np.zeros(37)
        if weight and order:
            mean = G[order].mean(axis=0)
            cosines = G @ mean / (np.linalg.norm(G, axis=1) * np.linalg.norm(mean) + 1e-8)
            penalties = np.maximum(0.0, -cosines)
        scores = gains - weight * penalties
        scores[order] = -np.inf
        row = int(scores.argmax())
        assert pool.rows[found.at] == row
        assert found.gain == pytest.approx(gains[row], rel=1e-9, abs=1e-13)
        assert found.penalty == pytest.approx(penalties[row], abs=1e-12)
        run.take(found.at)
        order.append(row)
    assert run.best(-np.inf) is None


@needs_kernel
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 70),
    conflict=st.booleans(),
    priced=st.booleans(),
    closed=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_the_compiled_loop_does_what_numpy_does(seed, rows, conflict, priced, closed):
    rng = np.random.default_rng(seed)
    G = np.repeat(rng.standard_normal((rows, 5)), 1 + seed % 2, axis=0)  # some tie
    numbers = rng.permutation(3 * len(G))[: len(G)]
    costs, allowed = rng.integers(1, 4, len(G) + 3).astype(float), rng.random(len(G) + 3) < 0.8
    runs = []
    for loop in (Inner, CompiledInner):
        pool = pool_of(G, len(G) + 3, numbers)
        conflicts = Conflicts(pool, G[0] * 2, 2, eta=1e-8, weight=0.3) if conflict else None
        options = {"costs": costs if priced else None, "allowed": allowed if closed else None}
        runs.append(loop_of(loop, pool, conflicts=conflicts, **options))
    while True:
        slow, fast = (run.best(0.05) for run in runs)
        assert (slow is None) == (fast is None)
        if slow is None:
            break
        assert fast.at == slow.at
        np.testing.assert_allclose(
            (fast.gain, fast.penalty, fast.wear), (slow.gain, slow.penalty, slow.wear), rtol=1e-12, atol=1e-14
        )
        for run in runs:
            run.take(slow.at)
    np.testing.assert_allclose(runs[1].taken, runs[0].taken, atol=1e-12)
    np.testing.assert_allclose(runs[1].r, runs[0].r, atol=1e-12)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("priced", [False, True])
def test_rows_that_tie_go_to_the_lowest_number_and_the_wear_is_the_largest_among_them(loop, priced):
    G = np.eye(4)[[0, 1, 2, 3]] * np.array([[1.0], [1.0 + TIE / 4], [1.0], [0.5]])
    pool = pool_of(G, 6, [7, 9, 3, 1])
    pool.wear[pool.rows == 9] = 5.0
    pool.wear[pool.rows == 1] = 50.0
    found = loop_of(loop, pool, costs=np.ones(6) if priced else None).best(-np.inf)
    assert pool.rows[found.at] == 3
    assert found.wear == 5.0


@pytest.mark.parametrize("loop", LOOPS)
def test_a_bound_outside_that_may_be_better_ends_the_block_and_one_that_ties_does_not(loop):
    run = loop_of(loop, pool_of(np.eye(2), 3))
    gain = float(np.log1p(1.0))
    assert run.best(gain * (1 + 1e-9)) is None
    assert run.best(gain) is None  # a row outside may tie with it and have a lower number
    assert run.best(gain * (1 - 2 * TIE)) is not None


@pytest.mark.parametrize("loop", LOOPS)
def test_gains_beyond_what_exp_can_hold_are_compared_all_the_same(loop):
    G = np.array([[1e150, 0.0], [0.0, 2e150], [1.0, 1.0]])
    pool = pool_of(G, 3)
    found = loop_of(loop, pool, alpha=1e6).best(-np.inf)
    assert pool.rows[found.at] == 1
    assert found.gain == pytest.approx(np.log(4e306), rel=1e-12)
    assert found.gain > OVERFLOW


@pytest.mark.parametrize("loop", LOOPS)
def test_closed_rows_stay_closed_when_the_pool_is_renewed(loop):
    pool = pool_of(np.diag([3.0, 2.0, 1.0]), 3)
    run = loop_of(loop, pool)
    run.close(np.array([False, True, True]))
    pool.renew()
    run.restart()
    assert pool.rows[run.best(-np.inf).at] == 1
