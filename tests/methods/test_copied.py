"""How often rows occur is counted once for a choice, and only where it is asked for."""

import numpy as np
import pytest

from spice_select.methods import METHODS, Candidates
from spice_select.methods import base as methods_base
from spice_select.methods.budget import Allowance
from spice_select.progress import Silent
from spice_select.run.settings import SelectSettings
from spice_select.selection import greedy
from spice_select.selection.objectives import DistinctVariance
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
    asked, counting = list[int](), methods_base.copies_counted
    monkeypatch.setattr(methods_base, "copies_counted", lambda *told: asked.append(1) or counting(*told))
    return asked


@pytest.mark.parametrize("allowance", [Allowance(rows=12), Allowance(tokens=150)], ids=["rows", "tokens"])
@pytest.mark.parametrize("shards", [0, 3])
def test_copies_are_counted_once_for_choice_and_notes(counted: list[int], allowance: Allowance, shards: int) -> None:
    """Also where two runs are made, where rows lie on shards, and where what was chosen is judged afterwards."""
    one = copied()
    edges = evenly(90, max(1, shards))
    there = one
    if shards:
        parts = SpreadFeatures(lambda i: Shard(one.matrix.array.take(slice(*edges[i])), edges[i][0]), shards)
        there = one.spread(parts)
    method = METHODS["information"].of(SelectSettings().flat())
    choice = method.choose(there, allowance, seed=0, progress=Silent())
    (told,) = (note for note in method.notes(one, choice) if "have a copy" in note)
    assert told.startswith("90 rows (100%) have a copy")
    assert counted == [1]
    assert len(set((choice.indices % 30).tolist())) == len(choice), "no direction is bought twice"
    if allowance.rows:
        expected = greedy(one.matrix, 12, objective=DistinctVariance())
        assert choice.indices.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("asked", [{"objective": "target-variance"}, {"method": "spice"}], ids=str)
def test_nobody_else_counts_them(counted: list[int], asked: dict[str, str]) -> None:
    method = METHODS[asked.get("method", "information")].of(SelectSettings.from_flat(asked).flat())
    one = copied()
    method.notes(one, method.choose(one, Allowance(rows=12), seed=0, progress=Silent()))
    assert not counted
