"""Quotas, forced and excluded rows, continuing, cost budgets, stops, pools, and what is refused."""

import itertools

import numpy as np
import pytest

from spice_select.errors import InputError
from spice_select.selection import (
    Conflict,
    DistinctVariance,
    FacilityLocation,
    GainRatio,
    LogDet,
    Quota,
    TargetVariance,
    greedy,
    naive,
    pools,
)
from spice_select.testing.selection import require_same, sample_features

G = sample_features("heavy", 80, 8)
GROUPS = np.arange(80) % 3
OBJECTIVES = [LogDet(), FacilityLocation(), TargetVariance()]


def compare(features, k, **options):
    found = greedy(features, k, **options)
    require_same(found, naive(features, k, **options), str(options))
    return found


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_quotas_are_met(objective, weight):
    quotas = {0: (9, 10), 1: Quota(maximum=4), 2: Quota(minimum=10)}
    found = compare(G, 24, groups=GROUPS, quotas=quotas, objective=objective, penalty=Conflict(weight))
    counts = np.bincount(GROUPS[found.indices])
    assert counts[0] in (9, 10)
    assert counts[1] <= 4
    assert counts[2] >= 10


def test_quotas_that_do_not_bind_change_nothing():
    free = greedy(G, 20)
    assert greedy(G, 20, groups=GROUPS, quotas={0: (0, 20)}).indices.tolist() == free.indices.tolist()


@pytest.mark.parametrize("objective", [TargetVariance(), DistinctVariance(counts=np.ones(22)), FacilityLocation()])
def test_forced_rows_are_ordered_by_what_they_are_worth_among_all_rows(objective):
    """Twenty rows of one kind, and two of their own; among the forced rows alone each kind has one."""
    rows = np.zeros((22, 3))
    rows[:20, 0], rows[20, 1], rows[21, 2] = 1, 1.2, 1.1
    found, wanted = greedy(rows, 4, objective=objective, forced=[21, 20, 0]), [0, 20, 21]
    assert found.indices.tolist()[:3] == wanted
    assert found.gains[0] == pytest.approx(objective.gains(rows, [], np.array([0]))[0])


def test_a_selection_in_pools_takes_an_objective_that_holds_a_number_for_each_row():
    known = pools(G, 12, pool_size=30, objective=DistinctVariance(counts=np.ones(len(G))))
    assert known.indices.tolist() == pools(G, 12, pool_size=30, objective=TargetVariance()).indices.tolist()


def test_forced_rows_come_first_the_best_first_and_excluded_rows_never():
    found = compare(G, 12, forced=[5, 7, 6], excluded=greedy(G, 3).indices.tolist(), penalty=Conflict(0.1))
    assert set(found.indices[:3].tolist()) == {5, 6, 7}
    assert found.gains[0] == max(greedy(G[[5, 6, 7]], 1).gains)
    assert not set(found.indices.tolist()) & set(greedy(G, 3).indices.tolist())


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_going_on_equals_one_longer_run(weight):
    whole = greedy(G, 40, penalty=Conflict(weight))
    first = greedy(G, 15, penalty=Conflict(weight))
    require_same(greedy(G, 40, penalty=Conflict(weight), initial=first), whole, "continued")


def test_going_on_past_many_blocks_equals_one_longer_run():
    features = sample_features("aniso", 600, 24)
    whole = greedy(features, 400)
    require_same(greedy(features, 400, initial=whole.head(300)), whole, "continued")


@pytest.mark.parametrize("weight", [0.0, 0.1, 2.0])
def test_head_equals_a_shorter_run(weight):
    whole = greedy(G, 40, penalty=Conflict(weight))
    for k in (1, 7, 39, 40):
        require_same(whole.head(k), greedy(G, k, penalty=Conflict(weight)), f"head({k})")
    with pytest.raises(InputError, match=r"head\(41\)"):
        whole.head(41)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_cost_budget_is_kept_and_agrees_with_the_oracle(weight):
    costs = np.random.default_rng(0).uniform(1, 30, size=80)
    found = compare(G, None, costs=costs, max_cost=200.0, penalty=Conflict(weight))
    assert costs[found.indices].sum() <= 200.0
    assert found.stop.reason == "cost"


@pytest.mark.parametrize("per_cost", [0, 0.5, 0.9, 1])
@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_a_price_with_an_exponent_agrees_with_the_oracle(objective, weight, per_cost):
    costs = np.random.default_rng(1).lognormal(4, 1, size=80)
    options = {"costs": costs, "per_cost": per_cost, "objective": objective, "penalty": Conflict(weight)}
    paid = compare(G, None, max_cost=0.3 * costs.sum(), **options)
    assert costs[paid.indices].sum() <= 0.3 * costs.sum()
    counted = compare(G, 30, **options)
    assert len(counted) == 30
    assert counted.head(9).indices.tolist() == compare(G, 9, **options).indices.tolist()


def test_rows_that_tie_per_cost_are_taken_from_the_lowest():
    rows = np.repeat(np.eye(3), 4, axis=0)
    costs = np.tile([16.0, 4.0, 4.0, 16.0], 3)
    for per_cost, first in ((0, 0), (0.5, 1), (1, 1)):
        assert compare(rows, 12, costs=costs, per_cost=per_cost).indices[0] == first


def test_the_price_moves_picks_from_dear_rows_to_cheap_ones():
    """Gains log 2, log 10, log 26 at costs 1, 4, 64: per cost .69, .58, .05; per root .69, 1.15, .41."""
    features, costs = np.diag([1.0, 3.0, 5.0]), [1.0, 4.0, 64.0]
    for per_cost, order in ((0, [2, 1, 0]), (0.5, [1, 0, 2]), (1, [0, 1, 2])):
        assert compare(features, 3, costs=costs, per_cost=per_cost).indices.tolist() == order


def test_without_an_exponent_two_runs_are_made_and_with_one_a_single_one():
    costs = np.random.default_rng(0).uniform(1, 30, size=80)
    runs = [greedy(G, costs=costs, max_cost=200.0, per_cost=gamma) for gamma in (0, 1)]
    best = max(runs, key=lambda run: run.gains.sum())
    both = greedy(G, costs=costs, max_cost=200.0)
    require_same(both, best, "the better of the two")
    assert both.stats.evaluations == sum(run.stats.evaluations for run in runs)


def share_oracle(features, groups, costs, limit, shares, weight):
    """The definition: a row may be taken if what is left after it still covers what every other group is owed."""
    objective, penalty, picked = LogDet(), Conflict(weight), []
    spent = dict.fromkeys(shares, 0.0)
    while True:
        owed = {g: max(0.0, low - spent[g]) for g, (low, _) in shares.items()}
        left = limit - sum(spent.values())
        open_ = [
            row
            for row in range(len(features))
            if row not in picked
            and costs[row] <= left - sum(owed[g] for g in shares if g != groups[row])
            and spent[groups[row]] + costs[row] <= shares[groups[row]][1]
        ]
        if not open_:
            return picked
        scores = objective.gains(features, picked, open_) - weight * penalty.values(features, picked, np.array(open_))
        picked.append(open_[int(np.argmax(scores))])
        spent[groups[picked[-1]]] += costs[picked[-1]]


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_shares_of_a_cost_budget_are_those_of_the_definition(weight, seed):
    costs = np.random.default_rng(seed).integers(1, 30, size=80)
    shares = {0: (150, 160), 1: (0, 20), 2: (60, 400)}
    options = {"costs": costs, "max_cost": 300, "groups": GROUPS, "cost_quotas": shares}
    found = compare(G, None, per_cost=0, penalty=Conflict(weight), **options)
    assert found.indices.tolist() == share_oracle(G, GROUPS, costs, 300, shares, weight)
    compare(G, None, penalty=Conflict(weight), **options)
    rest = np.setdiff1d(np.arange(80), found.indices)
    for group, (low, high) in shares.items():
        spent = costs[found.indices][GROUPS[found.indices] == group].sum()
        assert low - costs[rest][GROUPS[rest] == group].min() < spent <= high


def test_shares_that_do_not_bind_change_nothing():
    costs = np.random.default_rng(3).integers(1, 30, size=80)
    free = greedy(G, costs=costs, max_cost=200)
    same = greedy(G, costs=costs, max_cost=200, groups=GROUPS, cost_quotas={0: (0, 200)})
    assert same.indices.tolist() == free.indices.tolist()


def test_under_a_cost_budget_the_better_of_two_greedy_runs_is_kept():
    # By gain per cost the cheap row wins first, and the dear one no longer fits.
    features, costs = np.array([[1.0, 0.0], [0.0, 9.0]]), [1.0, 100.0]
    assert greedy(features, costs=costs, max_cost=100.0).indices.tolist() == [1]
    # By gain the dear row wins first, and takes the place of three that are nearly as good.
    features = np.vstack([3.3 * np.eye(4)[0], 3 * np.eye(4)[1:]])
    assert sorted(greedy(features, costs=[3, 1, 1, 1], max_cost=3.0).indices.tolist()) == [1, 2, 3]


def test_the_cost_guarantee_holds_against_exhaustive_search():
    for seed in range(6):
        features = sample_features("heavy", 9, 4, seed)
        costs = np.random.default_rng(seed).uniform(1, 5, size=9)
        reached = greedy(features, costs=costs, max_cost=8.0).gains.sum()
        best = max(
            LogDet().value(features, rows)
            for size in range(1, 9)
            for rows in itertools.combinations(range(9), size)
            if costs[list(rows)].sum() <= 8.0
        )
        assert reached >= (1 - 1 / np.e) / 2 * best


def test_greedy_keeps_its_guarantee_against_exhaustive_search():
    for seed in range(5):
        features = sample_features("aniso", 10, 4, seed)
        best = max(LogDet().value(features, rows) for rows in itertools.combinations(range(10), 4))
        assert greedy(features, 4).gains.sum() >= (1 - 1 / np.e) * best


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_gain_ratio_ends_the_run_before_the_pick_that_fails(weight):
    found = compare(G, 80, penalty=Conflict(weight), stop=GainRatio(0.5))
    assert found.stop.reason == "gain_ratio"
    assert (found.gains[1:] > 0.5 * found.gains[0]).all()
    assert greedy(G, len(found) + 1, penalty=Conflict(weight)).gains[-1] <= 0.5 * found.gains[0]


def test_the_decomposition_adds_up():
    found = greedy(G, 30, penalty=Conflict(0.3))
    assert found.bases == pytest.approx(np.log1p((G[found.indices] ** 2).sum(axis=1)))
    assert (found.epsilons <= 1e-12).all()
    assert found.scores == pytest.approx(found.gains - 0.3 * found.conflicts)
    assert found.gains.sum() == pytest.approx(LogDet().value(G, found.indices))
    assert greedy(G, 30).conflicts.any()  # reported even where nothing was penalised


def test_pools_restart_in_every_window_and_spread_the_picks():
    found = pools(G, 20, pool_size=16, seed=3, penalty=Conflict(0.1))
    assert len(set(found.indices.tolist())) == 20
    assert np.bincount(found.pools).tolist() == [4, 4, 4, 4, 4]
    order = np.random.default_rng(3).permutation(80)
    window = order[16:32]
    expected = window[naive(G[window], 4, penalty=Conflict(0.1)).indices]
    assert found.indices[found.pools == 1].tolist() == expected.tolist()
    assert pools(G, 20, pool_size=16, seed=3, penalty=Conflict(0.1)).indices.tolist() == found.indices.tolist()
    assert pools(G, 20, pool_size=16, seed=4).indices.tolist() != found.indices.tolist()


@pytest.mark.parametrize(("k", "pool_size"), [(1, 1), (80, 80), (80, 7), (13, 200), (79, 33)])
def test_pools_pick_exactly_k(k, pool_size):
    assert len(set(pools(G, k, pool_size=pool_size).indices.tolist())) == k


def test_one_pool_of_everything_is_a_global_run_in_other_row_numbers():
    order = np.random.default_rng(0).permutation(80)
    assert pools(G, 10, pool_size=80).indices.tolist() == order[greedy(G[order], 10).indices].tolist()


def test_a_stop_in_a_pool_ends_that_pool():
    found = pools(G, 40, pool_size=20, stop=GainRatio(0.9))
    assert set(found.pools.tolist()) == {0, 1, 2, 3}
    assert found.stop.reason == "gain_ratio"


SHARED = {"k": None, "costs": np.ones(80), "max_cost": 9, "groups": GROUPS}
BAD = [
    ({"k": 0}, "k=0"),
    ({"k": 81}, "k=81"),
    ({"k": 2.0}, r"k=2\.0"),
    ({"k": None}, "neither k nor max_cost"),
    ({"k": 3, "forced": [80]}, "forced holds row 80"),
    ({"k": 3, "forced": [1], "excluded": [1]}, "row 1 is excluded and also forced"),
    ({"k": 3, "initial": [1, 1]}, "initial holds row 1 more than once"),
    ({"k": 3, "initial": [1.5]}, "flat list of row numbers"),
    ({"k": 3, "forced": [1, 2, 3, 4]}, "4 rows are forced or initial, above k=3"),
    ({"k": 3, "quotas": {0: (1, 2)}}, "quotas without groups"),
    ({"k": 3, "groups": GROUPS[:5]}, "5 labels for 80"),
    (
        {"k": 3, "groups": ["code"] * 80, "quotas": {"cod": (1, 2)}},
        "'cod', which no row belongs to. Did you mean 'code'",
    ),
    ({"k": 3, "groups": GROUPS, "quotas": {0: (2, 2), 1: (2, 2)}}, "minima add up to 4, above k=3"),
    ({"k": 60, "groups": GROUPS, "quotas": {0: (30, 40)}}, "has only 27 rows"),
    ({"k": 60, "groups": GROUPS, "quotas": {0: (0, 2)}}, "leave only 55 rows"),
    ({"k": 3, "groups": GROUPS, "quotas": {0: (2, 1)}}, "0 ≤ minimum ≤ maximum"),
    ({"k": 3, "groups": GROUPS, "quotas": {0: (0, 1)}, "forced": [0, 3]}, "whose quota allows 1"),
    ({"k": 3, "groups": GROUPS, "quotas": {0: (2, 3)}, "forced": [1, 2]}, "minima still need 2"),
    ({"k": 3, "max_cost": 3.0}, "without costs"),
    ({"k": 3, "costs": np.ones(80)}, "without max_cost"),
    ({"k": 3, "groups": GROUPS, "cost_quotas": {0: (1, 2)}}, "cost_quotas without max_cost"),
    ({"k": None, "costs": np.ones(80), "max_cost": 9, "cost_quotas": {0: (1, 2)}}, "cost_quotas without groups"),
    ({**SHARED, "cost_quotas": {0: (5, 9), 1: (5, 9)}}, "minima add up to 10, above max_cost=9"),
    ({**SHARED, "max_cost": 90, "cost_quotas": {0: (28, 30)}}, "its rows cost 27 together"),
    ({**SHARED, "cost_quotas": {0: (0, 0), 1: (0, 0), 2: (0, 0)}}, "nothing could be picked"),
    ({**SHARED, "cost_quotas": {0: (0, 1)}, "forced": [0, 3]}, "cost 2, above its share of 1"),
    ({**SHARED, "cost_quotas": {0: (8, 9)}, "forced": [1, 2]}, "still owed 8"),
    ({"k": 3, "per_cost": 0.5}, r"per_cost=0\.5 without costs"),
    ({"k": 3, "costs": np.ones(80), "per_cost": 1.5}, r"per_cost=1\.5: .*between 0"),
    ({"k": 3, "costs": np.ones(80), "per_cost": "1"}, "per_cost='1'"),
    ({"k": 3, "costs": np.ones(3), "max_cost": 3}, r"costs of shape \(3,\)"),
    ({"k": 3, "costs": np.zeros(80), "max_cost": 3}, r"row 0 costs .*0\.0"),
    ({"k": 3, "costs": np.full(80, 9.0), "max_cost": 3}, "cheapest row costs 9"),
    ({"k": 3, "costs": np.ones(80), "max_cost": 1.5, "forced": [1, 2]}, "cost 2, above max_cost=1.5"),
    ({"k": 3, "objective": "logdet"}, "objective='logdet': not an Objective"),
    ({"k": 3, "penalty": 0.1}, r"penalty=0\.1: not a Penalty"),
    ({"k": 3, "stop": 0.5}, r"stop=0\.5: not a stopping rule"),
    ({"k": 3, "stop": "early"}, "stop='early': not a stopping rule"),
    ({"k": 3, "stop": None}, "stop=None: not a stopping rule"),
    ({"k": 3, "groups": GROUPS, "quotas": {0: 5}}, "the quota 5 of group 0"),
    ({"k": 3, "groups": GROUPS, "quotas": {0: (1, 2, 3)}}, r"the quota \(1, 2, 3\) of group 0"),
    ({"k": 3, "groups": GROUPS, "quotas": {0: (0.3, 0.5)}}, r"minimum=0\.3, .*whole ones"),
    ({"k": 3, "groups": GROUPS, "quotas": {0: ("1", None)}}, "minimum='1', .*whole ones"),
    ({"k": 3, "groups": [[]] * 80}, r"label \[\] of row 0"),
    ({"k": 3, "groups": 5}, "groups=5: give one label for each row"),
    ({"k": 3, "groups": np.array(5)}, "give one label for each row"),
    ({"k": 3, "costs": ["a"] * 80, "max_cost": 3}, "costs of dtype"),
    ({"k": 3, "costs": np.ones(80), "max_cost": "500"}, "max_cost='500'"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_requests_are_refused_with_their_cause(options, message):
    with pytest.raises(InputError, match=message):
        greedy(G, **options)


def test_a_selection_has_no_half_picks():
    with pytest.raises(InputError, match=r"head\(2\.5\)"):
        greedy(G, 5).head(2.5)


@pytest.mark.parametrize(
    "kind", [np.matrix, np.ma.masked_array, lambda g: np.ma.masked_less(g, -1e9), lambda g: [np.ma.array(r) for r in g]]
)
def test_an_array_of_another_kind_is_its_plain_values(kind):
    """A matrix multiplies by `*` and stays two-dimensional, a masked array sums what is not masked."""
    plain = np.asarray(G)
    found, due = greedy(kind(plain), 5), greedy(plain, 5)
    np.testing.assert_array_equal(found.indices, due.indices)
    np.testing.assert_array_equal(found.gains, due.gains)


def test_masked_rows_in_a_list_and_masked_costs_are_refused():
    rows = [np.ma.masked_less(row, 0) for row in np.asarray(G)]
    with pytest.raises(InputError, match="features with masked entries"):
        greedy(rows, 3)
    with pytest.raises(InputError, match="costs with masked entries"):
        greedy(G, 3, costs=np.ma.array(np.ones(len(G)), mask=[True] + [False] * (len(G) - 1)), max_cost=3.0)


def test_masked_entries_are_refused():
    with pytest.raises(InputError, match="masked entries"):
        greedy(np.ma.masked_less(np.asarray(G), 0), 3)


def test_rows_that_are_not_finite_are_named():
    features = G.copy()
    features[[3, 17]] = np.nan
    features[40, 2] = np.inf
    with pytest.raises(InputError, match="3 of 80 feature rows are not finite: rows 3, 17, 40"):
        greedy(features, 5)
    with pytest.raises(InputError, match="rows 3, 17, 40"):
        pools(features, 5)


@pytest.mark.parametrize("features", [np.ones(3), np.ones((2, 2, 2)), np.array([["a"]]), np.ones((2, 2)) * 1j])
def test_features_that_are_no_matrix_of_numbers_are_refused(features):
    with pytest.raises(InputError, match="expected a matrix of real numbers"):
        greedy(features, 1)


def test_empty_features_are_refused():
    with pytest.raises(InputError, match="nothing to choose from"):
        greedy(np.ones((0, 4)), 1)


def test_pools_refuse_constraints_and_empty_pools():
    with pytest.raises(InputError, match="forced with pools"):
        pools(G, 5, forced=[1])
    with pytest.raises(InputError, match="pool_size=0"):
        pools(G, 5, pool_size=0)
    with pytest.raises(InputError, match="k=0"):
        pools(G, 0)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("pause", [0.0, 1e9])
def test_progress_adds_up_to_the_picks(monkeypatch, objective, pause):
    monkeypatch.setattr("spice_select.progress.meter.EVERY", pause)
    told: list[int] = []
    greedy(G, 20, objective=objective, forced=[3, 5], initial=[7], progress=told.append)
    assert sum(told) == 20
    assert min(told) > 0
    assert len(told) == (20 if pause == 0 else 1)
    told.clear()
    pools(G, 20, pool_size=30, objective=objective, progress=told.append)
    assert sum(told) == 20


def test_progress_goes_on_where_the_blocks_give_way_to_eager_picks(monkeypatch):
    for name, value in {
        "selection.paths.blocked.rounds.FIRST_BLOCK": 4,
        "selection.paths.blocked.rounds.LARGEST_BLOCK": 8,
        "selection.paths.blocked.rounds.MOST_TIES": 0,
        "progress.meter.EVERY": 0.0,
    }.items():
        monkeypatch.setattr(f"spice_select.{name}", value)
    told: list[int] = []
    assert greedy(np.eye(40), 30, progress=told.append).stats.path == "blocked+eager"
    assert told == [1] * 30


def test_progress_under_a_cost_budget_is_what_both_runs_spend():
    told: list[int] = []
    costs = np.arange(1.0, 81.0)
    found = greedy(G, costs=costs, max_cost=300, progress=told.append)
    assert 300 < sum(told) <= 600
    assert sum(told) >= costs[found.indices].sum()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("how", ["plain", "groups", "costs", "conflict"])
def test_rows_repeated_many_times_are_picked_as_by_definition(seed, how):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((6, 5))[rng.integers(0, 6, 90)].astype(np.float32)
    options: dict = {"objective": LogDet([1.0, 100.0][seed % 2])}
    if how == "groups":
        labels = rng.integers(0, 3, 90)
        options |= {
            "groups": labels,
            "quotas": {0: (2, 14), 1: (0, 12), 2: (4, None)},
            "initial": [int(rng.integers(90))],
        }
    if how == "costs":
        options |= {"costs": rng.integers(1, 4, 90), "max_cost": 60}
    if how == "conflict":
        options |= {"penalty": Conflict(0.3), "excluded": rng.permutation(90)[:9]}
    compare(rows, None if how == "costs" else 40, **options)


def test_rows_repeated_many_times_cost_no_more_than_the_distinct_ones():
    rows = np.eye(16)[np.arange(6000) % 3] * np.array([[1.0], [2.0], [3.0]])[np.arange(6000) % 3]
    found = greedy(rows, 200)
    assert found.stats.path == "blocked"
    assert found.stats.evaluations < 5 * 200


def test_a_minimum_quota_under_a_cost_budget_is_refused():
    with pytest.raises(InputError, match="how many rows the budget buys"):
        greedy(G, groups=GROUPS, quotas={0: (3, None)}, costs=np.ones(80), max_cost=20)


@pytest.mark.parametrize("limit", [float("inf"), float("nan")])
def test_a_cost_budget_is_a_finite_number(limit):
    with pytest.raises(InputError, match="finite"):
        greedy(G, costs=np.ones(80), max_cost=limit)


def test_finite_rows_that_are_too_long_are_not_called_infinite():
    with pytest.raises(InputError, match="so long that their squared length is beyond float64: rows 2"):
        greedy(np.eye(3) * np.array([[1.0], [1.0], [1e200]]), 1)


@pytest.mark.parametrize("make", ["sparse", "meta"])
def test_tensors_without_plain_values_are_refused(make):
    torch = pytest.importorskip("torch")
    tensor = torch.eye(4).to_sparse() if make == "sparse" else torch.empty(4, 4, device="meta")
    with pytest.raises(InputError, match="give an ordinary one"):
        greedy(tensor, 1)


@pytest.mark.parametrize(
    "make", ["a tensor with gradients", "rows with gradients", "bfloat16", "float8", "negated view"]
)
def test_a_tensor_is_the_numbers_it_holds(make):
    torch = pytest.importorskip("torch")
    known = torch.tensor(np.round(np.asarray(G), 0))  # numbers that every type of float has
    trained = known.clone().requires_grad_()
    given = {
        "a tensor with gradients": trained,
        "rows with gradients": list(trained),
        "bfloat16": known.bfloat16(),
        "float8": known.to(torch.float8_e4m3fn),
        "negated view": torch.complex(torch.zeros_like(known), -known).conj().imag,
    }[make]
    np.testing.assert_array_equal(greedy(given, 9).indices, greedy(known.numpy(), 9).indices)
    costs = torch.ones(len(G), requires_grad=True)
    assert len(greedy(given, costs=list(costs), max_cost=4.0)) == 4


def test_labels_of_a_tensor_or_of_arrow_are_what_they_say():
    """Tensors are equal by what they hold and hashed by where they lie: each row would be a group of its own."""
    torch, arrow = pytest.importorskip("torch"), pytest.importorskip("pyarrow")
    labels, quotas = np.arange(len(G)) % 3, {0: (0, 1)}
    due = greedy(G, 9, groups=labels, quotas=quotas).indices
    for given in (torch.tensor(labels), list(torch.tensor(labels)), arrow.array(labels)):
        np.testing.assert_array_equal(greedy(G, 9, groups=given, quotas=quotas).indices, due)
    with pytest.raises(InputError, match="which no row belongs to"):
        greedy(G, 9, groups=labels, quotas={torch.tensor(0): (0, 1)})


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.where(np.arange(80) % 3, 1.0, np.nan), "the label nan of row 0"),
        (np.ma.masked_less(np.arange(80) % 3, 1), "groups with masked entries"),
        ({row: row % 3 for row in range(80)}, "groups as a dict: give one label for each row"),
        ("ab" * 40, "groups as a str"),
    ],
)
def test_what_is_no_label_for_each_row_is_refused(groups, message):
    with pytest.raises(InputError, match=message):
        greedy(G, 9, groups=groups)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_a_seed_that_draws_no_permutation_is_refused(seed):
    with pytest.raises(InputError, match="seed="):
        pools(G, 5, seed=seed)


@pytest.mark.parametrize("counts", [np.zeros(80), -np.ones(80), np.full(80, np.nan), ["a"] * 80])
def test_counts_that_count_nothing_are_refused(counts):
    """The weights would be infinite or negative, and the choice empty or any."""
    with pytest.raises(InputError, match="counts: how often"):
        greedy(G, 3, objective=DistinctVariance(counts=counts))


@pytest.mark.parametrize("choose", [greedy, naive])
def test_a_scale_under_which_information_is_infinite_is_refused(choose):
    """All gains were infinite or NaN, and nothing was picked, without a word."""
    with pytest.raises(InputError, match=r"alpha=1e\+308 for rows .* beyond float64"):
        choose(G, 3, objective=LogDet(alpha=1e308))


def test_rows_of_several_lengths_are_refused():
    with pytest.raises(InputError, match="features: no array can be made of them"):
        greedy([[1.0, 2.0], [3.0]], 1)
