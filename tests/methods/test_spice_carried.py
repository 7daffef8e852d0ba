"""SPICE with its state carried from pool to pool."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spice_select as spice
from spice_select.methods import Candidates, Method
from spice_select.methods.base import GRADIENTS
from spice_select.methods.budget import Allowance
from spice_select.methods.spice import Spice
from spice_select.methods.spice_carried import CarriedConflict, SpiceCarried
from spice_select.numerics import features as numerics
from spice_select.progress import Silent
from spice_select.selection import Selection
from spice_select.store import FeatureBlock
from spice_select.testing.selection import check_penalty


def pool(m: int, d: int, seed: int) -> Candidates:
    matrix = np.random.default_rng(seed).normal(size=(m, d)).astype(np.float32)
    matrix[: m // 2] += 1.0
    norms = np.linalg.norm(matrix.astype(np.float64), axis=1)
    ones = np.ones(m, np.int64)
    columns = {"loss": norms, "norm": norms, "tokens": ones, "supervised": ones}
    block = FeatureBlock(rows=np.arange(m), columns=columns, finite=np.ones(m, bool), features=matrix)
    return Candidates(
        rows=block.rows,
        tokens=ones,
        supervised=ones,
        sources=[""] * m,
        features={GRADIENTS: block},
        normalise="none",
    )


def pick(method: Method, candidates: Candidates, k: int) -> Selection:
    picked = method.choose(candidates, Allowance(rows=k), seed=0, progress=Silent()).worth
    assert picked is not None
    return picked


def test_spice_is_naive_greedy() -> None:
    candidates = pool(20, 6, 0)
    slow = spice.naive(candidates.matrix, 5, objective=spice.LogDet(alpha=0.5), penalty=spice.Conflict(weight=0.7))
    assert pick(Spice(alpha=0.5, weight=0.7), candidates, 5).indices.tolist() == slow.indices.tolist()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    d=st.integers(1, 9),
    pools=st.integers(1, 5),
    weight=st.sampled_from([0.0, 0.1, 2.0]),
    alpha=st.sampled_from([1e-2, 1.0, 1e3]),
)
def test_carrying_equals_going_on_from_all_earlier_picks(seed, d, pools, weight, alpha) -> None:
    """The oracle: naive greedy over [earlier picks; pool], the earlier picks taken first."""
    objective, penalty = spice.LogDet(alpha=alpha), spice.Conflict(weight=weight)
    method, carried = SpiceCarried(objective, weight), np.empty((0, d), np.float32)
    for number in range(pools):
        candidates = pool(8, d, seed + number)
        picked, before = pick(method, candidates, 3), len(carried)
        stacked = np.concatenate([carried, candidates.matrix.array])
        slow = spice.naive(stacked, before + 3, objective=objective, penalty=penalty, initial=range(before))
        assert picked.indices.tolist() == (slow.indices[before:] - before).tolist()
        for name in ("gains", "bases", "conflicts", "penalties", "scores"):
            np.testing.assert_allclose(getattr(picked, name), getattr(slow, name)[before:], rtol=1e-6, atol=1e-9)
        carried = np.concatenate([carried, candidates.matrix.array[picked.indices]])


def test_a_picked_row_is_worth_less_when_it_comes_again() -> None:
    candidates, method = pool(6, 12, 2), SpiceCarried(weight=0.0)
    first, second = (pick(method, candidates, 6) for _ in range(2))
    assert second.gains.sum() < 0.5 * first.gains.sum()
    assert pick(method.fresh(candidates), candidates, 6).gains.sum() == pytest.approx(first.gains.sum())


def test_the_carried_penalty_keeps_the_contract_of_penalties() -> None:
    """With nothing carried: the contract speaks of the empty set, which a carried state is not."""
    matrix = pool(12, 5, 3).matrix.dense
    check_penalty(CarriedConflict(matrix, np.zeros(5), 0, weight=0.3), features=matrix)


def test_a_pool_is_made_ready_once_for_choosing_and_judging_and_anew_after_its_picks(monkeypatch) -> None:
    passes, squared_norms = [], numerics.squared_norms
    monkeypatch.setattr(numerics, "squared_norms", lambda rows: passes.append(len(rows)) or squared_norms(rows))
    candidates, method = pool(9, 4, 5), SpiceCarried(weight=0.1)
    before = method.seen(candidates)
    pick(method, candidates, 2)
    assert passes == [9, 9]  # of the gradients, and of what the state leaves of them
    after = method.seen(candidates)
    assert passes == [9, 9, 9]
    assert after.squares.sum() < before.squares.sum()
