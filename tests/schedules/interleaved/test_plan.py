"""Which rows meet when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spice_select as spice
from spice_select.errors import InputError
from spice_select.methods import Choice
from spice_select.methods.budget import Allowance
from spice_select.schedules.interleaved.plan import Plan, PlannedPool, plan_pools
from spice_select.schedules.interleaved.stage import _joined, _Met
from spice_select.selection import Stats
from spice_select.selection.result import reached_budget
from spice_select.store import FeatureBlock


def plan_rows(n: int, k: int, **options) -> Plan:
    """A plan for a budget in rows, whose lengths do not count."""
    return plan_pools([7] * n, Allowance(rows=k), **options)


def whole_cycle(plan: Plan, k: int) -> Plan:
    """The plan of one pool that yields k rows: a cycle is cut into no more steps than its share asks for."""
    options = {"pool_size": k, "update_every": 1, "epochs": 1, "seed": 0}
    return plan_rows(k, k, step_rows=plan.step_rows, **options)


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
    plan = plan_rows(n, k, step_rows=step_rows, **options)
    for epoch in range(epochs):
        own = [pool for pool in plan.pools if pool.epoch == epoch]
        assert sorted(np.concatenate([pool.positions for pool in own]).tolist()) == list(range(n))
        assert sum(pool.share for pool in own) == k
        assert all(1 <= pool.share <= len(pool.positions) for pool in own) or pools * pool_size != n
    assert [pool.number for pool in plan.pools] == list(range(pools * epochs))
    assert [pool.cycle for pool in plan.pools] == [number // update_every for number in range(pools * epochs)]
    for picks in (0, 1, k // 2, k):
        parts = [list(range(picks))[part] for part in whole_cycle(plan, k).steps_of(0, picks)]
        assert [place for part in parts for place in part] == list(range(picks))
        assert all(0 < len(part) <= (step_rows or picks) for part in parts)


def test_the_first_epoch_meets_the_pools_of_a_static_run() -> None:
    matrix = np.random.default_rng(0).normal(size=(50, 4))
    static = spice.pools(matrix, 10, pool_size=15, seed=7)
    plan = plan_rows(50, 10, pool_size=15, update_every=2, epochs=1, seed=7, step_rows=None)
    for pool in plan.pools:
        assert set(static.indices[static.pools == pool.number]) <= set(pool.positions.tolist())
        assert (static.pools == pool.number).sum() == pool.share


def test_epochs_see_different_pools() -> None:
    plan = plan_rows(40, 4, pool_size=10, update_every=2, epochs=2, seed=0, step_rows=None)
    assert plan.pools[0].positions.tolist() != plan.pools[4].positions.tolist()


def test_a_budget_smaller_than_the_pools_is_refused_with_what_would_do() -> None:
    with pytest.raises(InputError, match=r"3 rows over 5 pools of 10.*Raise --budget to 5 .*--pool-size to 17"):
        plan_rows(50, 3, pool_size=10, update_every=1, epochs=1, seed=0, step_rows=None)


def test_planned_steps_are_one_a_cycle_unless_rows_a_step_are_given() -> None:
    options = {"pool_size": 10, "update_every": 2, "epochs": 1, "seed": 0}
    assert plan_rows(50, 15, step_rows=None, **options).total_steps == 3
    assert plan_rows(50, 15, step_rows=2, **options).total_steps == 3 + 3 + 2


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=120),
    pool_size=st.integers(1, 40),
    part=st.floats(0.3, 1.0),
    step_rows=st.sampled_from([None, 1, 3]),
)
def test_a_budget_in_tokens_is_spread_exactly_by_the_tokens_of_the_pools(lengths, pool_size, part, step_rows):
    tokens, budget = np.array(lengths), max(max(lengths), int(part * sum(lengths)))
    options = {"pool_size": pool_size, "update_every": 2, "epochs": 2, "seed": 1}
    plan = plan_pools(lengths, Allowance(tokens=budget), step_rows=step_rows, **options)
    for epoch in range(2):
        own = [pool for pool in plan.pools if pool.epoch == epoch]
        assert sum(pool.allowance.tokens for pool in own) == budget
        met = 0
        for pool in own:
            before, met = met, met + int(tokens[pool.positions].sum())
            assert pool.allowance.tokens == budget * met // sum(lengths) - budget * before // sum(lengths)
            assert 1 <= pool.share <= len(pool.positions)
    for cycle in range(plan.cycles):
        steps = plan.steps_of(cycle, len(lengths))
        assert sum(part.stop - part.start for part in steps) == len(lengths)
    assert plan.total_steps == sum(len(plan.steps_of(cycle, 10**6)) for cycle in range(plan.cycles)), "no step beyond"


def test_tokens_of_a_large_corpus_do_not_overflow() -> None:
    plan = plan_pools(
        [10**10] * 30,
        Allowance(tokens=10**11),
        pool_size=10,
        update_every=1,
        epochs=1,
        seed=0,
        step_rows=None,
    )
    assert [pool.allowance.tokens for pool in plan.pools] == [33333333333, 33333333333, 33333333334]


def test_tokens_that_buy_no_row_in_any_pool_are_refused() -> None:
    options = {"pool_size": 1, "update_every": 1, "epochs": 1, "step_rows": None}
    order = np.random.default_rng(0).permutation(3)
    lengths = np.empty(3, int)
    lengths[order] = [10, 50, 60]  # pools of one row: by the second 40 of 80 are reached, by the third 80
    assert plan_pools(lengths, Allowance(tokens=80), seed=0, **options).pools
    lengths[order] = [10, 50, 90]
    with pytest.raises(InputError, match="a budget of 80 tokens over 3 pools: no row fits"):
        plan_pools(lengths, Allowance(tokens=80), seed=0, **options)


def chosen_of(pool: PlannedPool, count: int) -> _Met:
    """A pool of which so many rows could be picked, less than its share where gradients were unusable."""
    picked = Choice(
        indices=np.arange(count),
        columns={},
        pools=np.zeros(count, np.int64),
        stop=reached_budget(count),
        stats=Stats(path="made"),
    )
    return _Met(pool=pool, rows=pool.positions[:count], picked=picked, tokens=count, result=None)


def test_rows_without_usable_gradients_are_told_of_where_they_make_the_choice_smaller() -> None:
    plan = plan_pools([1] * 24, Allowance(rows=12), pool_size=8, update_every=1, epochs=1, seed=0, step_rows=None)
    features = FeatureBlock(rows=np.arange(24), columns={}, finite=np.ones(24, bool))
    whole = _joined([chosen_of(pool, pool.share) for pool in plan.pools], features, Allowance(rows=12), plan)
    assert whole.stop.sentence == "The budget of 12 rows is used up."
    fewer = _joined([chosen_of(plan.pools[0], 2), chosen_of(plan.pools[1], 4)], features, Allowance(rows=12), plan)
    assert len(fewer) == 6
    assert fewer.stop.reason == "exhausted"
    assert fewer.stop.sentence.startswith("6 of 12 rows: in some pools fewer had usable gradients")
