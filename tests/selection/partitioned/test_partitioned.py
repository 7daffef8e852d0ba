"""Rows on shards: the picks are those of the oracle on one machine, order included, whatever is lost on the way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.errors import InputError
from spice_select.numerics.divided import DividedRows
from spice_select.selection import Conflict, FacilityLocation, GainRatio, LogDet, greedy, naive
from spice_select.selection.constraints import build_constraints
from spice_select.selection.partitioned import Leader, Shard, ShardLostError, SpreadFeatures
from spice_select.selection.partitioned.spread import evenly
from spice_select.selection.paths.blocked.kernels import has_kernel
from spice_select.selection.paths.ledger import Problem
from spice_select.testing.selection import check_selector, degenerate, require_same, sample_features
from tests.selection.partitioned.spread_rows import rows_of_kind, spread
from tests.selection.test_exactness import FLOATS, GRID


@pytest.fixture(scope="module", params=["compiled", "numpy"], autouse=True)
def products(request):
    """Every law holds with the compiled kernel and without it."""
    if request.param == "compiled" and not has_kernel():
        pytest.skip("the kernel is not built, or not for this processor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spice_select.selection.partitioned.leader._BLOCK", 24)  # many rounds
        if request.param == "numpy":
            patch.setattr("spice_select.selection.paths.blocked.kernels.compiled", None)
        yield request.param


def partitioned(shards):
    def select(features, k, **options):
        return greedy(spread(features, min(shards, len(features))), k, **options)

    return select


class Mortal(Shard):
    """Dies at its `last`th look, and at every `last`th after that, with all it knows."""

    last, looks = 3, 0

    def look(self, news, look):
        type(self).looks += 1
        if type(self).looks % self.last == 0:
            del self.bounds, self.scores
            raise ShardLostError
        return super().look(news, look)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("shards", [1, 5, 16])
@pytest.mark.parametrize("kind", ["iso", "aniso", "heavy", "unit"])
def test_the_picks_are_those_of_one_machine(kind, shards, weight, dtype):
    features = rows_of_kind(kind, 400, 12, seed=3).astype(dtype)
    found = greedy(spread(features, shards), 80, penalty=Conflict(weight))
    assert found.stats.path == "partitioned"
    require_same(found, naive(features, 80, penalty=Conflict(weight)), f"{kind}, {shards} shards, λ = {weight}")


@pytest.mark.parametrize("shards", [2, 5])
def test_the_selectors_conformance_suite_holds_over_shards(shards):
    check_selector(partitioned(shards), seeds=(0,))


@given(
    features=GRID | FLOATS, weight=st.sampled_from([0.0, 0.1, 2.0]), shards=st.integers(1, 7), share=st.floats(0.1, 1)
)
@settings(max_examples=80, deadline=None)
def test_drawn_cases_agree_with_the_oracle(features, weight, shards, share):
    k = max(1, int(share * len(features)))
    found = partitioned(shards)(features, k, penalty=Conflict(weight))
    require_same(found, naive(features, k, penalty=Conflict(weight)), f"{shards} shards")


@pytest.mark.parametrize("largest", [2048, 4])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_ties_and_copies_across_shards_go_to_the_lowest_row(monkeypatch, weight, largest):
    monkeypatch.setattr("spice_select.selection.partitioned.leader._LARGEST_TIE", largest)
    features = degenerate(sample_features("grid", 90, 6), 1)
    features[60:] = features[:30]
    for G in (features, np.eye(40), np.ones((30, 3))):
        found = greedy(spread(G, 4), len(G), penalty=Conflict(weight))
        require_same(found, naive(G, len(G), penalty=Conflict(weight)), f"λ = {weight}")


@pytest.mark.parametrize("kept", [8, 2048])
@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["heavy", "unit"])
def test_a_shard_that_is_lost_is_opened_again_and_nothing_changes(monkeypatch, kind, weight, kept):
    """Also where updates are forgotten after few picks, so that far rows need the root."""
    monkeypatch.setattr("spice_select.selection.paths.blocked.bounds.LEAST_KEPT", kept)
    monkeypatch.setattr("spice_select.selection.partitioned.leader.LEAST_KEPT", kept)
    features = rows_of_kind(kind, 500, 10, seed=4).astype(np.float32)
    there, Mortal.looks = spread(features, 4, Mortal), 0
    found = greedy(there, 150, penalty=Conflict(weight))
    assert there.lost > 2
    require_same(found, greedy(features, 150, penalty=Conflict(weight)), f"{kind}, λ = {weight}")


def problem_of(features, k, weight):
    unbound = build_constraints(features.n, k, groups=None, quotas=None, excluded=(), costs=None, max_cost=None)
    return Problem(
        features=features,
        k=k,
        objective=LogDet(),
        penalty=Conflict(weight),
        stop=(),
        constraints=unbound,
        initial=(),
    )


@pytest.mark.parametrize("weight", [0.0, 0.1])
@pytest.mark.parametrize("d", [12, 200])
def test_a_leader_that_dies_goes_on_from_its_checkpoint(tmp_path, monkeypatch, d, weight):
    features, kept = rows_of_kind("heavy", 600, d, seed=6), tmp_path / "leader.npz"
    whole = greedy(features, 200, penalty=Conflict(weight))
    rounds = []

    def dies(self, pool):
        rounds.append(len(self._state.ledger.rows))
        if len(rounds) == 4:
            raise KeyboardInterrupt
        return _round(self, pool)

    _round = Leader._round
    monkeypatch.setattr(Leader, "_round", dies)
    with pytest.raises(KeyboardInterrupt):
        Leader(problem_of(spread(features, 3), 200, weight), checkpoint=kept, every=1, block=8).selection()
    picked = len(np.load(kept)["rows"])
    assert 0 < picked < 200
    found = Leader(problem_of(spread(features, 5), 200, weight), checkpoint=kept).selection()
    assert rounds[4] == picked
    require_same(found, whole, "resumed")
    with pytest.raises(InputError, match="another request"):
        Leader(problem_of(spread(features, 5), 201, weight), checkpoint=kept).selection()
    with pytest.raises(InputError, match="another request"):
        Leader(problem_of(spread(features[::-1], 5), 200, weight), checkpoint=kept).selection()
    problem = problem_of(spread(features, 5), 200, weight)
    others = replace(problem.constraints, excluded=np.array([3]))
    with pytest.raises(InputError, match="another request"):
        Leader(replace(problem, constraints=others), checkpoint=kept).selection()
    kept.write_bytes(kept.read_bytes()[:200])
    with pytest.raises(InputError, match="Remove it"):
        Leader(problem, checkpoint=kept).selection()


def test_rows_stay_on_disk_and_in_float32(tmp_path):
    features = sample_features("heavy", 300, 20).astype(np.float32)
    np.save(tmp_path / "features.npy", features)
    edges = evenly(300, 3)
    there = SpreadFeatures(lambda i: Shard.of_file(tmp_path / "features.npy", edges[i]), 3)
    assert all(isinstance(shard._features.source.base, np.memmap) for shard in there.shards)
    assert greedy(there, 50).indices.tolist() == greedy(features, 50).indices.tolist()


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_divided_rows_are_picked_as_their_float64_copy_is(weight):
    source = sample_features("heavy", 500, 12).astype(np.float32)
    lengths = np.linalg.norm(source.astype(np.float64), axis=1)
    unit = source / lengths[:, None]
    edges = evenly(500, 4)
    there = SpreadFeatures(
        lambda i: Shard(DividedRows(source, lengths).take(slice(*edges[i])), edges[i][0]), len(edges)
    )
    truth = naive(unit, 90, penalty=Conflict(weight))
    require_same(greedy(there, 90, penalty=Conflict(weight)), truth, "on shards")
    require_same(greedy(DividedRows(source, lengths), 90, penalty=Conflict(weight)), truth, "in one place")


def test_quotas_prices_forced_and_excluded_rows_hold_over_shards():
    rng = np.random.default_rng(0)
    features, costs = sample_features("aniso", 200, 9), rng.integers(1, 50, size=200)
    groups = [f"g{i % 3}" for i in range(200)]
    asked = [
        {"k": 60, "groups": groups, "quotas": {"g0": (30, None), "g1": (0, 5)}, "excluded": [0, 7], "forced": [3, 150]},
        {"costs": costs, "max_cost": 900.0, "penalty": Conflict(0.2)},
        {"k": 50, "costs": costs, "per_cost": 0.5, "stop": GainRatio(0.2), "initial": [5, 120]},
    ]
    for options in asked:
        k = options.pop("k", None)
        require_same(greedy(spread(features, 4), k, **options), naive(features, k, **options), str(options))


def test_what_cannot_be_picked_over_shards_is_refused():
    features = sample_features("iso", 20, 4)
    with pytest.raises(InputError, match="FacilityLocation"):
        greedy(spread(features, 2), 5, objective=FacilityLocation())
    with pytest.raises(InputError, match="one kind"):
        SpreadFeatures(lambda i: Shard(features.astype(np.float32 if i else np.float64), 20 * i), 2)
    with pytest.raises(InputError, match="21 shards for 20 rows"):
        evenly(20, 21)
