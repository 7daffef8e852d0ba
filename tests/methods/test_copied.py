"""How often rows occur is counted once for a choice, and only where it is asked for."""

import numpy as np
import pytest

from spice_select.methods import METHODS, Candidates, base
from spice_select.methods.budget import Allowance
from spice_select.progress import Silent
from spice_select.run.settings import SelectSettings
from spice_select.selection import DistinctVariance, greedy, multiplicity
from spice_select.selection.objectives import target_variance
from spice_select.selection.partitioned import Shard, SpreadFeatures
from spice_select.selection.partitioned.spread import evenly
from spice_select.store import FeatureBlock


def copied(n: int = 90, d: int = 70) -> Candidates:
    """Two rows in three are copies."""
    rows, ones = np.arange(n), np.ones(n, np.int64)
    distinct = np.random.default_rng(0).standard_normal((n // 3, d)).astype(np.float32)
    columns = {"tokens": 10 + rows % 7, "supervised": ones, "loss": ones * 1.0, "norm": ones * 1.0}
    block = FeatureBlock(
        rows=rows, columns=columns, finite=np.ones(n, bool), features=np.concatenate([distinct, distinct, distinct])
    )
    return Candidates.of_gradients(block, normalise="unit")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A mark each time copies are counted, by whomever."""
    asked, counting = list[int](), multiplicity.copies_counted
    for place in (base, target_variance):
        monkeypatch.setattr(place, "copies_counted", lambda *told: asked.append(1) or counting(*told))
    return asked


ALLOWANCES = [Allowance(rows=12), Allowance(tokens=150)]


@pytest.mark.parametrize("allowance", ALLOWANCES, ids=["rows", "tokens"])
@pytest.mark.parametrize("shards", [0, 3])
def test_copies_are_counted_once_for_choice_and_notes(counted: list[int], allowance: Allowance, shards: int) -> None:
    """Also where two runs are made, and where rows lie on shards."""
    method = METHODS["information"].of(SelectSettings().flat())
    there = one = method.prepared(copied(), Silent())
    edges = evenly(90, max(1, shards))
    if shards:
        parts = SpreadFeatures(lambda i: Shard(one.matrix.array.take(slice(*edges[i])), edges[i][0]), shards)
        there = one.spread(parts)
    choice = method.choose(there, allowance, seed=0, progress=Silent())
    (told,) = (note for note in method.notes(one, choice) if "have a copy" in note)
    assert told.startswith("90 rows (100%) have a copy")
    assert counted == [1]
    assert len(set((choice.indices % 30).tolist())) == len(choice), "no direction is bought twice"
    if allowance.rows:
        expected = greedy(one.matrix, 12, objective=DistinctVariance())
        assert choice.indices.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("allowance", ALLOWANCES, ids=["rows", "tokens"])
@pytest.mark.parametrize("name", ["information", "source-shares"])
def test_where_nobody_has_counted_a_choice_does_so_once(counted: list[int], name: str, allowance: Allowance) -> None:
    METHODS[name].of(SelectSettings().flat()).choose(copied(), allowance, seed=0, progress=Silent())
    assert counted == [1]


def test_some_of_the_rows_keep_what_was_counted_among_all() -> None:
    few = copied().counted(Silent()).take(np.arange(20))
    assert few.counts is not None
    assert few.counts.tolist() == [3] * 20
    assert copied().take(np.arange(20)).counted(Silent()).repeated is None


@pytest.mark.parametrize("asked", [{"objective": "target-variance"}, {"method": "spice"}], ids=str)
def test_nobody_else_counts_them(counted: list[int], asked: dict[str, str]) -> None:
    method = METHODS[asked.get("method", "information")].of(SelectSettings.from_flat(asked).flat())
    one = method.prepared(copied(), Silent())
    method.notes(one, method.choose(one, Allowance(rows=12), seed=0, progress=Silent()))
    assert not counted
