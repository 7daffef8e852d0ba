"""Who picks inside a pool."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spice_select as spice
from spice_select.config import SelectSettings
from spice_select.errors import InputError
from spice_select.schedules.interleaved.carrying import CarriedConflict, CarryingPicker
from spice_select.schedules.interleaved.picker import GreedyPicker, RandomPicker, TopNormPicker
from spice_select.schedules.interleaved.pickers import make_picker
from spice_select.testing.selection import check_penalty


def pool(m: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    matrix = np.random.default_rng(seed).normal(size=(m, d)).astype(np.float32)
    matrix[: m // 2] += 1.0
    return matrix, np.linalg.norm(matrix.astype(np.float64), axis=1)


def test_the_greedy_picker_is_naive_greedy() -> None:
    matrix, norms = pool(20, 6, 0)
    rule = {"objective": spice.LogDet(alpha=0.5), "penalty": spice.Conflict(weight=0.7)}
    picked = GreedyPicker(**rule).pick(matrix, norms, 5, 3)
    assert picked.indices.tolist() == spice.naive(matrix, 5, **rule).indices.tolist()


def test_the_controls_pick_what_they_say_and_are_told_what_it_was_worth() -> None:
    matrix, norms = pool(20, 6, 1)
    top = TopNormPicker().pick(matrix, norms, 4, 0)
    assert top.indices.tolist() == np.argsort(-norms, kind="stable")[:4].tolist()
    drawn = RandomPicker(seed=5).pick(matrix, norms, 4, 0)
    again, elsewhere = (RandomPicker(seed=5).pick(matrix, norms, 4, number) for number in (0, 1))
    assert drawn.indices.tolist() == again.indices.tolist() != elsewhere.indices.tolist()
    assert len(set(drawn.indices.tolist())) == 4
    for picked in (top, drawn):
        assert picked.gains.sum() == pytest.approx(spice.LogDet().value(matrix, picked.indices.tolist()), rel=1e-9)
        assert (picked.penalties == 0).all()


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
    picker, carried = CarryingPicker(objective=objective, weight=weight), np.empty((0, d), np.float32)
    for number in range(pools):
        matrix, norms = pool(8, d, seed + number)
        picked = picker.pick(matrix, norms, 3, number)
        before = len(carried)
        stacked = np.concatenate([carried, matrix])
        slow = spice.naive(stacked, before + 3, objective=objective, penalty=penalty, initial=range(before))
        assert picked.indices.tolist() == (slow.indices[before:] - before).tolist()
        for name in ("gains", "bases", "conflicts", "penalties", "scores"):
            np.testing.assert_allclose(getattr(picked, name), getattr(slow, name)[before:], rtol=1e-6, atol=1e-9)
        carried = np.concatenate([carried, matrix[picked.indices]])


def test_a_picked_row_is_worth_less_when_it_comes_again() -> None:
    matrix, norms = pool(6, 12, 2)
    picker = CarryingPicker(weight=0.0)
    first, second = (picker.pick(matrix, norms, 6, number) for number in (0, 1))
    assert second.gains.sum() < 0.5 * first.gains.sum()
    fresh = [GreedyPicker().pick(matrix, norms, 6, number).gains.sum() for number in (0, 1)]
    assert fresh[0] == fresh[1]


def test_the_carried_penalty_keeps_the_contract_of_penalties() -> None:
    """With nothing carried: the contract speaks of the empty set, which a carried state is not."""
    matrix = pool(12, 5, 3)[0].astype(np.float64)
    check_penalty(CarriedConflict(matrix, np.zeros(5), 0, weight=0.3), features=matrix)


def test_a_control_that_is_to_carry_a_state_is_refused() -> None:
    for name in ("random", "top-norm"):
        with pytest.raises(InputError, match=name):
            make_picker(SelectSettings.from_flat({"picker": name, "carry_state": True}))
