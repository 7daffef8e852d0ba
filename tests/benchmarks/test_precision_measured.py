"""The precision benchmark in small: every variant has its record, and rounding shows where there is some."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.precision.__main__ import main
from benchmarks.precision.compare import FIRST, against, between_seeds, picks


def test_every_variant_is_reported(tiny_proxy: Path, corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    arguments = {
        "--corpus": corpus(),
        "--model": tiny_proxy,
        "--out": tmp_path / "out.json",
        "--rows": 12,
        "--max-tokens": 200,
        "--batch-tokens": 400,
        "--other-batch-tokens": 200,
        "--dim": 64,
        "--seeds": 2,
        "--picks": 4,
    }
    monkeypatch.setattr(sys, "argv", ["precision", *(str(text) for pair in arguments.items() for text in pair)])
    main()
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["rows"] == 12
    found = {record["variant"]: record for record in report["records"]}
    assert len(found) == 7
    assert all(record["seconds"] > 0 for record in found.values())
    assert found["another sketch seed"]["shared"]["4"][0] <= 4
    assert found["float32, another batch size"]["moved"]["largest"] < 1e-4
    assert found["float32, another batch size"]["shared"]["4"] == [4, 4]
    rounded, narrow = found["weights rounded to bfloat16"], found["bfloat16"]
    assert 1e-4 < rounded["moved"]["median"] < narrow["moved"]["largest"] < 1
    assert found["bfloat16, another batch size"]["against"] == "bfloat16"


def test_the_first_pick_is_forced_and_shared_picks_are_counted():
    draw = np.random.default_rng(0)
    one = draw.standard_normal((2, 20, 8)).astype(np.float32)
    assert FIRST in picks(one[0], 5)
    same = against(one, one.copy(), [5])
    assert same == {"moved": {"median": 0.0, "largest": 0.0}, "cosines_moved": 0.0, "shared": {5: [5, 5]}}
    double = against(one, 2 * one, [5])
    assert double["moved"]["median"] == pytest.approx(1.0)
    assert double["shared"] == {5: [5, 5]}  # unit norms
    seeds = between_seeds(one, [5])
    assert seeds["shared"][5] == [len(picks(one[0], 5) & picks(one[1], 5))]
    assert seeds["cosines_moved"][0] > 0.1
