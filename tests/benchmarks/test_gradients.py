"""The speed harness measures what it says, on a toy here as on a GPU elsewhere, and peers are compared fairly."""

import json

import numpy as np
import pytest
import torch
from benchmarks.gradients import gpu
from benchmarks.gradients.peers import compare as peers
from benchmarks.gradients.peers.environments import Peer
from benchmarks.gradients.rows import generated_rows
from benchmarks.gradients.speed import measure_speed

from spice_select.testing.models import VOCABULARY, tiny_model

ROWS = generated_rows(VOCABULARY, 5, 24)


def test_flops_are_those_of_the_formula_by_hand():
    shape = gpu.TINY[0]
    model = shape.model("cpu", torch.float32)
    rows = generated_rows(shape.vocabulary, 3, 40)
    h, i, kv = 32, 64, 16  # one key-value head of two
    block = h * h + 2 * h * kv + h * h + 3 * h * i
    tokens, supervised = sum(e.num_tokens for e in rows), sum(e.num_supervised for e in rows)
    linear = 4 * (2 * block * tokens + h * shape.vocabulary * supervised)
    attention = 2 * 12 * h * sum(e.num_tokens**2 for e in rows) / 2
    assert gpu.engine_flops(model, rows, shape) == linear + attention


def test_speed_counts_every_row_and_only_the_subjects_asked_for():
    found = measure_speed(tiny_model("llama"), ROWS, token_budget=48, dim=64, repeats=2, names=["loop"])
    assert set(found["seconds"]["cpu"]) == {"plain", "engine", "loop"}
    assert found["tokens"] == sum(e.num_tokens for e in ROWS)
    assert 0 < found["sketch_share"] < 1
    assert found["loop_over_engine"]["wall"] == pytest.approx(
        found["over_plain"]["wall"]["loop"] / found["over_plain"]["wall"]["engine"]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("peers")
    peers.write_setting(place, tiny_model("llama"), ROWS, 48, 64)
    return place


def test_runners_see_the_same_rows_once_each(folder):
    described = json.loads((folder / "setting.json").read_text())
    with np.load(folder / "rows.npz") as stored:
        labels = [stored[f"labels_{i}"] for i in range(described["batches"])]
    assert sum(len(part) for part in labels) == len(ROWS)
    assert sum(int((part != -100).sum()) for part in labels) == sum(e.num_supervised for e in ROWS)


def test_a_runner_is_timed_its_norms_checked_and_a_failing_peer_reported(folder, monkeypatch):
    broken = Peer(name="broken", title="broken 1.0", runner="absent.py")
    monkeypatch.setattr(peers, "PEERS", (peers.PEERS[0], broken))
    records = peers.compare(folder, (), threads=1, repeats=1)
    by_name = {r["variant"]: r for r in records}
    assert by_name["engine"]["cpu_seconds_over_plain"] > 0
    assert by_name["loop"]["norm_error"] < 1e-4  # a PEFT adapter by autograd: the same gradients
    assert by_name["-"]["peer"] == "broken 1.0"
    assert "absent.py" in by_name["-"]["error"]
    assert set(peers.over_engine(records, "seconds")) == {"spice_select engine", "spice_select loop"}


def test_ratios_are_taken_against_the_plain_pass_beside_each_and_sorted():
    records = [
        {"peer": "spice_select", "variant": "engine", "seconds_over_plain": 0.8},
        {"peer": "a", "variant": "x", "seconds_over_plain": 2.4},
        {"peer": "b", "variant": "y", "seconds_over_plain": 1.2},
        {"peer": "c", "variant": "z", "error": "cannot"},
    ]
    found = peers.over_engine(records, "seconds")
    assert list(found) == ["spice_select engine", "b y", "a x"]
    assert found["b y"] == pytest.approx(1.5)
