"""What is kept from block to block, and from refresh to refresh, is what computing it afresh would give."""

import numpy as np
import pytest

from spice_select.numerics.features import Features
from spice_select.selection import Conflict, FacilityLocation, LogDet, greedy, naive
from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.bounds_compiled import CompiledBounds
from spice_select.selection.paths.blocked.kernels import has_kernel
from spice_select.selection.paths.blocked.root import InverseRoot
from spice_select.selection.paths.blocked.whitened import EMPTY, WhitenedRows
from spice_select.selection.relaxation import factor
from spice_select.testing.selection import require_same, sample_features

needs_kernel = pytest.mark.skipif(not has_kernel(), reason="the kernel is not built, or not for this processor")


@pytest.mark.parametrize("raw", [False, True])
def test_a_pool_that_moved_on_equals_one_whitened_afresh(raw):
    G = sample_features("heavy", 60, 24)
    root, pool, rng = InverseRoot(24, 1.0), WhitenedRows(16, G.shape, raw=raw), np.random.default_rng(0)
    for step in range(12):
        rows = rng.choice(60, size=10, replace=False)
        here = set(pool.rows.tolist())
        assert pool.bring(rows, lambda at: G[at], root.whiten) == len(set(rows.tolist()) - here)
        assert set(rows.tolist()) <= set(pool.rows.tolist())
        full = pool.rows != EMPTY
        Y = root.whiten(G[pool.rows[full]])
        np.testing.assert_allclose(pool.Y[full], Y, atol=1e-12)
        np.testing.assert_allclose(pool.K[np.ix_(full, full)], Y @ Y.T, atol=1e-11)
        np.testing.assert_allclose(pool.r[full], (Y * Y).sum(axis=1), atol=1e-11)
        assert (pool.wear[full] >= pool.r[full] * (1 - 1e-12)).all()
        if raw:
            np.testing.assert_allclose(pool.Q[np.ix_(full, full)], G[pool.rows[full]] @ G[pool.rows[full]].T)
        picked = np.flatnonzero(full)[: 1 + step % 3].tolist()
        root_of_step = np.linalg.cholesky(np.eye(len(picked)) + pool.K[np.ix_(picked, picked)])
        taken = np.linalg.solve(root_of_step, pool.K[picked])
        root.absorb(pool.Y[picked], pool.Y)
        pool.move_on(picked, taken)
        assert (pool.rows[picked] == EMPTY).all()


def test_the_row_with_the_least_left_gives_way():
    G, root = np.diag([5.0, 1.0, 3.0, 4.0, 2.0]), InverseRoot(5, 1.0)
    pool = WhitenedRows(3, G.shape, raw=False)
    pool.bring(np.array([0, 1, 2]), lambda at: G[at], root.whiten)
    pool.bring(np.array([3]), lambda at: G[at], root.whiten)
    assert sorted(pool.rows.tolist()) == [0, 2, 3]
    pool.bring(np.array([4, 2]), lambda at: G[at], root.whiten)
    assert sorted(pool.rows.tolist()) == [0, 2, 4]


@pytest.mark.parametrize("scale", [1.0, 1e5])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_many_small_blocks_keep_the_order(monkeypatch, weight, scale):
    for name in ("rounds.FIRST_BLOCK", "state.SMALLEST_BLOCK", "state.USUAL_BLOCK"):
        monkeypatch.setattr(f"spice_select.selection.paths.blocked.{name}", 6)
    G = sample_features("heavy", 150, 12, seed=4) * scale
    options = {"objective": LogDet(1.0), "penalty": Conflict(weight)}
    require_same(greedy(G, 60, **options), naive(G, 60, **options), "small blocks")


@pytest.mark.parametrize("home", [Bounds, pytest.param(CompiledBounds, marks=needs_kernel)])
@pytest.mark.parametrize("per_row", [False, True])
def test_a_row_that_falls_below_the_floor_is_left_where_it_is_and_its_bound_stays_one(monkeypatch, per_row, home):
    monkeypatch.setattr(Bounds, "stage_picks", 8)
    monkeypatch.setattr(CompiledBounds, "grain", 4)  # stages end within a panel
    features, root = Features(sample_features("heavy", 300, 40).astype(np.float32)), InverseRoot(40, 1.0)
    bounds, picked = home(features, eta=None, root=root), []
    for start in range(0, 40, 5):
        picked += list(range(start, start + 5))
        U = root.absorb(root.whiten(features.rows(picked[-5:])))
        bounds.advance(U, features.rows(picked).mean(axis=0))
    floor = float(np.median(bounds.r)) * 0.7
    bounds.refresh(np.arange(300), np.full(300, floor) if per_row else floor)
    truth = np.expm1(LogDet().gains(features.dense, picked, np.arange(300)))
    left = bounds.reached < bounds.now
    assert 20 < left.sum() < 300
    assert (bounds.r[left] < floor).all()
    assert len(np.unique(bounds.reached[left])) > 1
    assert (bounds.r >= truth * (1 - 1e-9)).all()
    bounds.refresh(np.arange(300))
    assert (bounds.reached == bounds.now).all()
    assert (bounds.r >= truth * (1 - 1e-9)).all()
    assert (bounds.r <= truth + 1e-3 * features.squares).all()


@pytest.mark.parametrize("places", [1, 3, 50])
def test_facility_location_with_little_memory_picks_the_same(monkeypatch, places):
    module = "spice_select.selection.objectives.facility_location"
    G = sample_features("aniso", 80, 6)
    expected = naive(G, 40, objective=FacilityLocation())
    monkeypatch.setattr(f"{module}.KEPT_BYTES", places * 8 * 80)
    require_same(greedy(G, 40, objective=FacilityLocation()), expected, f"{places} places")


@pytest.mark.parametrize("width", [1, 3, 7, 64])
def test_forms_do_not_depend_on_the_width_of_a_panel(monkeypatch, width):
    monkeypatch.setattr(factor, "PANEL", width)
    rng = np.random.default_rng(0)
    G, full = rng.standard_normal((30, 7)), rng.standard_normal((7, 7))
    norms = (G * G).sum(axis=1)
    for B in (full, np.tril(full), np.zeros((7, 7))):
        truth = 0.5 * ((G @ B.T) ** 2).sum(axis=1)
        found = factor.quadratic_forms(G, B, 0.5, norms)
        assert (found.low <= truth * (1 + 1e-14)).all()
        assert (found.high >= truth * (1 - 1e-14)).all()
        np.testing.assert_allclose(found.high, truth, rtol=1e-10, atol=1e-20)
