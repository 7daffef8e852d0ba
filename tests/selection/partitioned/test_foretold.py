"""Rows on shards, chosen for what they tell: the picks are the oracle's on one machine, order included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.errors import InputError
from spice_select.numerics.divided import DividedRows
from spice_select.selection import Conflict, GainRatio, TargetInformation, TargetVariance, greedy, naive
from spice_select.selection.objectives import DistinctVariance, FacilityLocation
from spice_select.selection.partitioned import Shard, ShardLostError, SpreadFeatures
from spice_select.selection.partitioned.foreseeing import ForeseeingLeader
from spice_select.selection.partitioned.spread import evenly
from spice_select.testing.selection import degenerate, require_same, sample_features
from tests.selection.partitioned.spread_rows import rows_of_kind, spread
from tests.selection.test_exactness import FLOATS, GRID


def objectives(d, alpha=1.0):
    """The default, for all rows and for some; copies counted once; and a target's two tasks in balance."""
    target = sample_features("aniso", 7, d, seed=9)
    tasks = ["a"] * 4 + ["b"] * 3
    return {
        "pool": TargetVariance(alpha),
        "rows": TargetVariance(alpha, target),
        "once": DistinctVariance(alpha),
        "tasks": TargetInformation(target=target, tasks=tasks, alpha=alpha),
    }


AIMS = ["pool", "rows", "once", "tasks"]


@pytest.mark.parametrize("aim", AIMS)
@pytest.mark.parametrize("shards", [1, 5, 16])
@pytest.mark.parametrize("kind", ["iso", "aniso", "heavy", "unit"])
def test_the_picks_are_those_of_one_machine(kind, shards, aim):
    features, objective = rows_of_kind(kind, 300, 12, seed=3).astype(np.float32), objectives(12)[aim]
    found = greedy(spread(features, shards), 60, objective=objective)
    assert found.stats.path == "foretold"
    require_same(found, naive(features, 60, objective=objective), f"{kind}, {shards} shards, {aim}")
    assert found.indices.tolist() == greedy(features, 60, objective=objective).indices.tolist()


@given(
    features=GRID | FLOATS,
    aim=st.sampled_from(AIMS),
    alpha=st.sampled_from([0.1, 1.0]),
    shards=st.integers(1, 7),
    share=st.floats(0.1, 1),
)
@settings(max_examples=80, deadline=None)
def test_drawn_cases_agree_with_the_oracle(features, aim, alpha, shards, share):
    k = max(1, int(share * len(features)))
    objective = objectives(features.shape[1], alpha)[aim]
    found = greedy(spread(features, min(shards, len(features))), k, objective=objective)
    require_same(found, naive(features, k, objective=objective), f"{shards} shards, {aim}")


@pytest.mark.parametrize("aim", AIMS)
def test_ties_and_copies_across_shards_go_to_the_lowest_row(aim):
    features = degenerate(sample_features("grid", 90, 6), 1)
    features[60:] = features[:30]
    for G in (features, np.eye(40), np.ones((30, 3))):
        objective = objectives(G.shape[1])[aim]
        found = greedy(spread(G, 4), len(G), objective=objective)
        require_same(found, naive(G, len(G), objective=objective), aim)


class Mortal(Shard):
    """Dies at every third look, with all it knows."""

    looks = 0

    def foresee(self, past, ahead):
        type(self).looks += 1
        if type(self).looks % 3 == 0:
            raise ShardLostError
        return super().foresee(past, ahead)


@pytest.mark.parametrize("aim", AIMS)
@pytest.mark.parametrize("kind", ["heavy", "unit"])
def test_a_shard_that_is_lost_is_opened_again_and_nothing_changes(kind, aim):
    features, objective = rows_of_kind(kind, 400, 10, seed=4).astype(np.float32), objectives(10)[aim]
    there, Mortal.looks = spread(features, 4, Mortal), 0
    found = greedy(there, 150, objective=objective)
    assert there.lost > 2
    require_same(found, greedy(features, 150, objective=objective), f"{kind}, {aim}")


def test_shards_that_are_asked_at_once_answer_the_same():
    features, edges = rows_of_kind("unit", 300, 8).astype(np.float32), evenly(300, 4)
    there = SpreadFeatures(lambda i: Shard(features[slice(*edges[i])], edges[i][0]), 4, at_once=True)
    for options in ({"objective": TargetVariance()}, {"penalty": Conflict(0.1)}):
        assert greedy(there, 60, **options).indices.tolist() == greedy(features, 60, **options).indices.tolist()


def test_divided_rows_are_picked_as_their_float64_copy_is():
    source = sample_features("heavy", 300, 12).astype(np.float32)
    lengths = np.linalg.norm(source.astype(np.float64), axis=1)
    edges = evenly(300, 4)
    there = SpreadFeatures(lambda i: Shard(DividedRows(source, lengths).take(slice(*edges[i])), edges[i][0]), 4)
    found = greedy(there, 90, objective=TargetVariance())
    require_same(found, naive(source / lengths[:, None], 90, objective=TargetVariance()), "on shards")


@pytest.mark.parametrize("shards", [1, 3])
def test_copies_count_once_over_shards_whoever_counted_them(shards):
    features = rows_of_kind("unit", 240, 70, seed=7).astype(np.float32)
    features[80:] = np.concatenate([features[:80]] * 2)
    counts = np.full(240, 3)
    found = [greedy(spread(features, shards), 60, objective=DistinctVariance(counts=known)) for known in (None, counts)]
    for one in found:
        require_same(one, naive(features, 60, objective=DistinctVariance()), f"{shards} shards")
    assert found[0].indices.tolist() == greedy(features, 60, objective=DistinctVariance()).indices.tolist()


@pytest.mark.parametrize("aim", AIMS)
def test_quotas_prices_forced_and_excluded_rows_hold_over_shards(aim):
    features = degenerate(sample_features("aniso", 200, 9), 1)
    costs, groups = np.random.default_rng(0).integers(1, 50, size=200), [f"g{i % 3}" for i in range(200)]
    quotas = {"g0": (30, None), "g1": (0, 5)}
    asked = [
        {"k": 60, "groups": groups, "quotas": quotas, "excluded": [0, 7], "forced": [3, 150]},
        {"costs": costs, "max_cost": 900.0},
        {"k": 50, "costs": costs, "per_cost": 0.5, "stop": GainRatio(0.02), "initial": [5, 120]},
        {"k": 150, "initial": list(range(100))},
    ]
    objective = objectives(9)[aim]
    for options in asked:
        k = options.pop("k", None)
        found = greedy(spread(features, 4), k, objective=objective, **options)
        require_same(found, naive(features, k, objective=objective, **options), f"{aim}, {options}")


def test_many_picks_are_foretold_in_one_round_and_few_rows_travel(monkeypatch):
    leaders, made = [], ForeseeingLeader.__init__
    monkeypatch.setattr(ForeseeingLeader, "__init__", lambda self, problem: leaders.append(self) or made(self, problem))
    features = rows_of_kind("unit", 2000, 24, seed=6).astype(np.float32)
    greedy(spread(features, 4), 200, objective=TargetVariance())
    assert leaders[0].traffic.rounds < 40
    assert leaders[0].traffic.rows_sent < 2000


def test_what_cannot_be_chosen_over_shards_is_refused_by_name():
    features = sample_features("iso", 20, 4)
    with pytest.raises(InputError, match="FacilityLocation"):
        greedy(spread(features, 2), 5, objective=FacilityLocation())
    with pytest.raises(InputError, match="TargetVariance with Conflict"):
        greedy(spread(features, 2), 5, objective=TargetVariance(), penalty=Conflict(0.1))
