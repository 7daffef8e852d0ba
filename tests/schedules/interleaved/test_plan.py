"""Which rows meet when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spice_select as spice
from spice_select.errors import InputError
from spice_select.schedules.interleaved.plan import plan_pools


@settings(deadline=None)
@given(
    n=st.integers(1, 200),
    pool_size=st.integers(1, 50),
    share=st.floats(0.02, 1.0),
    update_every=st.integers(1, 7),
    epochs=st.integers(1, 3),
    step_rows=st.sampled_from([None, 1, 3, 1000]),
)
def test_every_row_is_met_once_an_epoch_and_the_budget_is_spread(n, pool_size, share, update_every, epochs, step_rows):
    pools = -(-n // pool_size)
    k = min(n, max(pools, round(share * n)))
    options = {"pool_size": pool_size, "update_every": update_every, "epochs": epochs, "seed": 3}
    plan = plan_pools(n, k, step_rows=step_rows, **options)
    for epoch in range(epochs):
        own = [pool for pool in plan.pools if pool.epoch == epoch]
        assert sorted(np.concatenate([pool.positions for pool in own]).tolist()) == list(range(n))
        assert sum(pool.share for pool in own) == k
        assert all(1 <= pool.share <= len(pool.positions) for pool in own) or pools * pool_size != n
    assert [pool.number for pool in plan.pools] == list(range(pools * epochs))
    assert [pool.cycle for pool in plan.pools] == [number // update_every for number in range(pools * epochs)]
    for picks in (0, 1, 7, k):
        parts = [list(range(picks))[part] for part in plan.steps_of(picks)]
        assert [place for part in parts for place in part] == list(range(picks))
        assert all(0 < len(part) <= (step_rows or picks) for part in parts)


def test_the_first_epoch_meets_the_pools_of_a_static_run() -> None:
    matrix = np.random.default_rng(0).normal(size=(50, 4))
    static = spice.pools(matrix, 10, pool_size=15, seed=7)
    plan = plan_pools(50, 10, pool_size=15, update_every=2, epochs=1, seed=7, step_rows=None)
    for pool in plan.pools:
        assert set(static.indices[static.pools == pool.number]) <= set(pool.positions.tolist())
        assert (static.pools == pool.number).sum() == pool.share


def test_epochs_see_different_pools() -> None:
    plan = plan_pools(40, 4, pool_size=10, update_every=2, epochs=2, seed=0, step_rows=None)
    assert plan.pools[0].positions.tolist() != plan.pools[4].positions.tolist()


def test_a_budget_smaller_than_the_pools_is_refused_with_what_would_do() -> None:
    with pytest.raises(InputError, match=r"3 rows over 5 pools of 10.*Raise --budget to 5 .*--pool-size to 17"):
        plan_pools(50, 3, pool_size=10, update_every=1, epochs=1, seed=0, step_rows=None)


def test_planned_steps_are_one_a_cycle_unless_rows_a_step_are_given() -> None:
    options = {"pool_size": 10, "update_every": 2, "epochs": 1, "seed": 0}
    assert plan_pools(50, 15, step_rows=None, **options).total_steps == 3
    assert plan_pools(50, 15, step_rows=2, **options).total_steps == 3 + 3 + 2
