"""The sweep says of each choice what the package's own measures say; its tables name what auto took."""

import json

import numpy as np
import pytest
from benchmarks.tuning.sweep import Bed, jaccard, swept
from benchmarks.tuning.tables import tables

from spice_select.diagnosis.saturation import half_saturation
from spice_select.selection import Conflict, LogDet, greedy
from spice_select.testing.selection import sample_features


@pytest.fixture(scope="module")
def rows():
    found = sample_features("aniso", 60, 90, seed=2)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def results(rows):
    return json.loads(json.dumps({"set": swept(rows, (0.1, 0.3))}))


def test_choices_from_the_compacted_rows_are_those_from_the_rows(rows, results):
    bed, whole = Bed(rows), greedy(rows, 6, penalty=Conflict(0.3))
    assert whole.indices.tolist() == greedy(bed.rows, 6, penalty=Conflict(0.3)).indices.tolist()
    told = results["set"]["budgets"]["10%"]
    assert told["rule"]["alpha"] == half_saturation(rows, 6).alpha
    found = told["weight"]["1.0"]["sweep"]["0.3"]
    assert found["conflicting"] == pytest.approx(float(np.mean(whole.conflicts[1:] > 0)))
    assert found["jaccard"] == pytest.approx(jaccard(whole, greedy(rows, 6, objective=LogDet(1.0))))


def test_explained_is_its_definition(rows):
    bed, picks = Bed(rows), greedy(rows, 6)
    chosen = rows[picks.indices]
    left = np.trace(rows @ np.linalg.inv(np.eye(90) + chosen.T @ chosen) @ rows.T) / len(rows)
    assert bed.explained(picks)["explained"] == pytest.approx(1 - left)


def test_every_table_has_a_line_for_what_was_measured(results):
    found = {name: table.strip().splitlines()[2:] for name, table in tables(results).items()}
    counts = {name: len(lines) for name, lines in found.items()}
    assert 2 <= counts.pop("weight") <= 12  # neighbours that chose alike share a line
    assert counts == {"rules": 2, "alpha": 8, "budget": 2, "stop": 1, "pools": 1}
    taken = results["set"]["budgets"]["10%"]["rule"]["alpha"]
    assert any(f"**{taken:.3g}**" in line for line in found["alpha"])
