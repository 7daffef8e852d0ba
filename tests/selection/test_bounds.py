"""The bounds that make laziness safe are bounds; the float64 root is a root."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.numerics.divided import DividedRows
from spice_select.numerics.features import Features
from spice_select.selection.constraints import build_constraints
from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.paths.blocked.bounds import Bounds, cut_into_tiles
from spice_select.selection.paths.blocked.bounds_compiled import CompiledBounds
from spice_select.selection.paths.blocked.contenders import highest
from spice_select.selection.paths.blocked.kernels import has_kernel
from spice_select.selection.paths.blocked.root import InverseRoot
from spice_select.selection.paths.ledger import Ledger, Problem, conflicts_along, lowest_twin
from spice_select.testing.selection import sample_features

needs_kernel = pytest.mark.skipif(not has_kernel(), reason="the kernel is not built, or not for this processor")
HOMES = [
    (Bounds, 40),
    (Bounds, 16),
    (Bounds, 300),
    pytest.param(CompiledBounds, 40, marks=needs_kernel),
    pytest.param(CompiledBounds, 16, marks=needs_kernel),
    pytest.param(CompiledBounds, 300, marks=needs_kernel),
]


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["iso", "heavy"])
@pytest.mark.parametrize(("home", "d"), HOMES)
def test_bounds_never_fall_below_the_truth_and_stay_close(alpha, dtype, kind, home, d):
    G = sample_features(kind, 300, d).astype(dtype)
    features, root = Features(G), InverseRoot(d, alpha)
    bounds = home(features, eta=1e-8, root=root)
    picked: list[int] = []
    for start in range(0, 60, 6):
        rows = np.arange(start, start + 6)
        U = root.absorb(root.whiten(features.rows(rows)))
        picked += rows.tolist()
        bounds.advance(U, features.rows(picked).mean(axis=0))
        # Rows fall behind by one to all blocks; in 16 dimensions the last refresh works from the root itself.
        bounds.refresh(np.arange(300) if start == 54 else np.arange(start % 5, 300, 2))
        truth = np.expm1(LogDet(alpha).gains(features.dense, picked, np.arange(300))) / alpha
        assert (bounds.r >= truth * (1 - 1e-9)).all()
        fresh = np.flatnonzero(bounds.reached == bounds.now)
        assert len(fresh) > 100
        assert (bounds.r[fresh] <= truth[fresh] + 1e-3 * features.squares[fresh]).all()


def test_conflict_bounds_never_exceed_the_conflict():
    features = Features(sample_features("heavy", 200, 12).astype(np.float32))
    bounds, root = Bounds(features, eta=1e-8), InverseRoot(12, 1.0)
    for start in range(0, 80, 4):
        rows = np.arange(start, start + 4)
        mean = features.rows(np.arange(start + 4)).mean(axis=0)
        bounds.advance(root.absorb(root.whiten(features.rows(rows))), mean)
        bounds.refresh(np.arange(start % 3, 200, 3))
        cosines = features.dense @ mean / (np.sqrt(features.squares) * np.linalg.norm(mean) + 1e-8)
        assert (bounds.conflicts(slice(None)) <= np.maximum(0, -cosines) + 1e-12).all()


def test_drift_bounds_how_far_a_conflict_moves():
    rng = np.random.default_rng(0)
    features = Features(rng.standard_normal((500, 6)))
    bounds = Bounds(features, eta=0.05)
    for _ in range(50):
        before = rng.standard_normal(6) * rng.choice([1e-3, 1.0])
        after = before + 0.3 * rng.standard_normal(6)

        def hinge(mean):
            return np.maximum(0, -features.dense @ mean / (np.sqrt(features.squares) * np.linalg.norm(mean) + 0.05))

        assert np.abs(hinge(after) - hinge(before)).max() <= bounds.drift(before, after)


@pytest.mark.parametrize("blocks", [[3, 1, 5], [30, 30, 30], [1] * 25])
def test_the_root_is_the_root_of_the_inverse(blocks):
    G = sample_features("heavy", 120, 20)
    root, start = InverseRoot(20, 2.0), 0
    inverse = np.eye(20)
    for size in blocks:
        block = G[start : start + size]
        U = root.absorb(root.whiten(block))
        start += size
        after = np.linalg.inv(np.eye(20) + 2.0 * G[:start].T @ G[:start])
        L = root.whiten(np.eye(20))
        np.testing.assert_allclose(L @ L.T, after, atol=1e-12)
        np.testing.assert_allclose(U.T @ U, inverse - after, atol=1e-12)
        inverse = after


def test_a_root_rebuilt_is_the_same_root():
    G = sample_features("iso", 60, 10) * 1e7
    root = InverseRoot(10, 1.0)
    for start in range(0, 60, 10):
        root.absorb(root.whiten(G[start : start + 10]))
    assert root.worn(np.linalg.norm(G, axis=1).max())
    root.rebuild(G)
    assert not root.worn(np.linalg.norm(G, axis=1).max())
    L = root.whiten(np.eye(10))
    np.testing.assert_allclose(L @ L.T, np.linalg.inv(np.eye(10) + G.T @ G), rtol=1e-6)


def test_tiles_cover_every_row_once_and_hold_few_wasted_products():
    rng = np.random.default_rng(0)
    pending = -np.sort(-rng.integers(1, 400, size=5000))
    cut = cut_into_tiles(pending, free=100.0)
    assert [a for a, _ in cut] == [0, *[b for _, b in cut[:-1]]]
    assert cut[-1][1] == 5000
    assert sum((b - a) * pending[a] for a, b in cut) <= 1.3 * pending.sum() + 100 * len(cut)
    assert cut_into_tiles(pending[:0], free=1.0) == []


def test_conflicts_along_a_run_are_those_of_the_definition():
    features = Features(sample_features("heavy", 300, 6))
    rows = np.random.default_rng(1).permutation(300)
    found = conflicts_along(features, rows, 1e-8)
    for t in (1, 2, 127, 128, 129, 299):
        mean = features.dense[rows[:t]].mean(axis=0)
        x = features.dense[rows[t]]
        cosine = x @ mean / (np.linalg.norm(x) * np.linalg.norm(mean) + 1e-8)
        assert found[t] == pytest.approx(max(0.0, -cosine), abs=1e-12)
    assert found[0] == 0.0


def test_twins_are_the_identical_rows_and_no_others():
    G = sample_features("iso", 50, 5)
    G[30] = G[10]
    G[44] = G[10]
    G[20] = -G[11]
    G[5] = 0.0
    G[6] = -0.0
    twins = Features(G).twins
    assert {row: group.tolist() for row, group in twins.items()} == {
        **{row: [10, 30, 44] for row in (10, 30, 44)},
        **{row: [5, 6] for row in (5, 6)},
    }


def test_rows_that_only_begin_alike_are_no_twins():
    G = np.ones((6, 40))
    G[:, -1] = [1.0, -1.0, 1.0, -1.0, 1.0, 0.5]
    assert {row: group.tolist() for row, group in Features(G).twins.items()} == {
        **{row: [0, 2, 4] for row in (0, 2, 4)},
        **{row: [1, 3] for row in (1, 3)},
    }
    rows = DividedRows(G.astype(np.float32), np.ones(6))
    assert sorted(Features(rows).twins) == [0, 1, 2, 3, 4]


def test_a_winner_gives_way_to_the_lowest_open_row_identical_to_it_in_features_and_cost():
    G = np.ones((6, 2))
    G[1] = 2.0
    costs = np.array([1.0, 1.0, 1.0, 1.0, 5.0, 5.0])
    constraints = build_constraints(6, 0, groups=None, quotas=None, excluded=[0], costs=costs, max_cost=9.0)
    problem = Problem(
        features=Features(G), k=6, objective=LogDet(), penalty=None, stop=(), constraints=constraints, initial=()
    )
    allowed = Ledger(problem).allowed
    assert [lowest_twin(problem, allowed, row) for row in range(1, 6)] == [1, 2, 2, 4, 4]


def test_importing_the_selector_imports_neither_torch_nor_transformers():
    code = "import sys, spice_select.selection; print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@given(
    keys=st.lists(st.sampled_from([-np.inf, -2.0, 0.0, 1.0, 1.5, 3.0, 7.0]), min_size=1, max_size=40),
    count=st.integers(1, 45),
    near=st.sampled_from([-np.inf, -3.0, 0.5, 1.5, 6.0, 8.0, np.inf]),
)
@settings(max_examples=200, deadline=None)
def test_the_largest_keys_do_not_depend_on_the_guess(keys, count, near):
    values = np.array(keys)
    top, out = highest(values, count, near=near)
    ordered = np.sort(values)[::-1]
    finite = ordered[ordered > -np.inf]
    np.testing.assert_array_equal(values[top], finite[:count])
    assert out == (ordered[count] if count < len(ordered) else -np.inf)
    assert len(set(top.tolist())) == len(top)


@pytest.mark.parametrize("d", [3, 600, 4000])
@pytest.mark.parametrize("turn", [0.0, 1e-9, 1e-7, 1e-3])
def test_the_distance_of_unit_means_is_never_less_than_it_is(d, turn):
    rng = np.random.default_rng(d)
    bounds, none = Bounds(Features(np.ones((2, d))), eta=1e-8), np.zeros((1, d))
    for _ in range(20):
        before = rng.standard_normal(d)
        after = before + turn * rng.standard_normal(d)
        bounds.advance(none, before)
        bounds.advance(none, after)
        units = [
            mean.astype(np.longdouble) / np.sqrt((mean.astype(np.longdouble) ** 2).sum()) for mean in (before, after)
        ]
        truth = np.sqrt(((units[0] - units[1]) ** 2).sum())
        assert bounds._moved[-2] - bounds._gamma >= truth
        assert bounds._moved[-2] - bounds._gamma <= truth + 1e-5
