"""The quick modes choose as much information as greedy does, within what they say, and refuse what they cannot do."""

import numpy as np
import pytest

from spice_select.errors import InputError
from spice_select.methods.select_modes import SELECT_MODES
from spice_select.methods.spice import Spice
from spice_select.run.feasible import refuse_settings
from spice_select.run.identity import _UNSAID
from spice_select.run.settings import SelectSettings
from spice_select.selection import Conflict, Features, LogDet, greedy
from spice_select.selection.partitioned import Shard, SpreadFeatures
from spice_select.selection.partitioned.spread import evenly
from spice_select.selection.relaxation.choosing import weighed
from spice_select.testing.selection import sample_features


def unit_rows(n, d, kind="aniso"):
    rows = sample_features(kind, n, d, seed=2)
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def pick(mode, features, k, weight=0.0, excluded=(), **parts):
    penalty = Conflict(weight) if weight else None
    options = {"k": k, "objective": LogDet(), "penalty": penalty, "stop": (), "excluded": list(excluded)}
    return SELECT_MODES[mode](**parts).pick(Features(features), options, lambda amount: None)


def share_of_greedys(features, found, k):
    value = LogDet().value
    return value(features, found.indices) / value(features, greedy(features, k).indices)


@pytest.mark.parametrize(("n", "d", "k"), [(3000, 16, 400), (3000, 64, 200), (600, 128, 60)])
def test_certified_has_the_information_of_greedy(n, d, k):
    features = unit_rows(n, d)
    found = pick("certified", features, k)
    assert len(set(found.indices.tolist())) == k
    assert share_of_greedys(features, found, k) > (0.9995 if k >= d else 0.998)


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_relaxed_comes_near_greedy_from_25_picks_for_each_number_on(weight):
    features = unit_rows(4000, 16)
    found = pick("relaxed", features, 400, weight)
    random = LogDet().value(features, np.random.default_rng(0).permutation(4000)[:400])
    assert share_of_greedys(features, found, 400) > (0.998 if weight == 0 else 0.99)
    assert LogDet().value(features, found.indices) > random
    free = pick("relaxed", features, 400)
    if weight:
        assert found.conflicts.mean() < free.conflicts.mean()


def test_relaxed_is_refused_below_that():
    with pytest.raises(InputError, match=r"relaxed with 399 picks from rows of 16 numbers: below 25"):
        pick("relaxed", unit_rows(4000, 16), 399)


@pytest.mark.parametrize("mode", ["certified", "relaxed"])
def test_excluded_rows_stay_out_and_exact_is_greedy(mode):
    features = unit_rows(800, 8)
    best = greedy(features, 200, penalty=Conflict(0.1)).indices
    assert not set(pick(mode, features, 200, 0.1, excluded=best[:50]).indices) & set(best[:50].tolist())
    assert pick("exact", features, 200, 0.1).indices.tolist() == best.tolist()


def test_rows_on_shards_weigh_what_they_weigh_together():
    features = unit_rows(500, 12).astype(np.float32)
    edges = evenly(500, 3)
    there = SpreadFeatures(lambda i: Shard(features[slice(*edges[i])], edges[i][0]), 3)
    nothing = np.zeros(0, dtype=np.int64)
    found = [weighed(rows, 60, 1.0, passes=3, excluded=nothing) for rows in (there, Features(features))]
    np.testing.assert_allclose(found[0].worth, found[1].worth, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "information"}, "with --objective distinct-variance"),
        ({"budget": "5k-tokens"}, "a budget in tokens"),
        ({"per_source_min": 0.1}, "shares of sources"),
        ({"schedule": "pools"}, "--schedule pools"),
        ({"token_price": 0.5}, "--token-price"),
        ({"select_mode": "relaxed", "stop_ratio": 0.5}, "--stop-ratio"),
        ({"select_mode": "exact", "tangent_passes": 5}, "--tangent-passes with --select-mode exact"),
    ],
)
def test_what_a_mode_cannot_do_is_refused_by_name(asked, said):
    settings = {"method": "spice", "select_mode": "certified", **asked}
    with pytest.raises(InputError, match=said):
        refuse_settings(SelectSettings.from_flat(settings))


def test_the_mode_is_read_from_the_settings_and_named_in_the_notes():
    flat = SelectSettings.from_flat({"method": "spice", "select_mode": "certified", "candidates": 2.0}).flat()
    method = Spice.of(flat)
    assert (method.mode.name, method.mode.over, method.mode.passes) == ("certified", 2.0, 3)
    assert "2 × k rows" in method.mode.said
    assert {name: flat[name] for name in _UNSAID if name in ("select_mode", "candidates")} != _UNSAID
