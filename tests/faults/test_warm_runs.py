"""Runs whose proxy is warmed up first: trained once, resumed bit for bit, and their adapter can be used again."""

import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from spice_select import load
from spice_select.store import PartStore

from .conftest import Command, run, start

sys.path.insert(0, str(Path(__file__).parent))
import breaking
from benchmarks.kills import differences

WARM = ("--warmup-rows", "12", "--precondition", "diagonal", "--normalise", "unit")


@pytest.fixture(scope="module")
def warm(asked, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("warm") / "r"
    code, said = run((*asked, *WARM, "--out", str(out)))
    assert code == 0, said
    assert "Warming up: 12 rows" in said
    return out


def test_a_warm_run_differs_from_a_cold_one_and_is_resumed_without_a_second_warm_up(asked, warm, whole, tmp_path):
    assert not np.allclose(load(warm).features.features, load(whole).features.features, rtol=0.1)
    folder = tmp_path / "r"
    shutil.copytree(warm, folder)
    (folder / "manifest.json").unlink()
    store = PartStore(folder / "gradients")
    store.path(2).unlink()
    code, said = run((*asked, *WARM, "--out", str(folder)))
    assert code == 0, said
    assert "Warming up" not in said
    assert store.path(2).read_bytes() == PartStore(warm / "gradients").path(2).read_bytes()


def test_a_damaged_warm_adapter_is_trained_again_to_the_same_bits(asked, warm, tmp_path):
    folder = tmp_path / "r"
    shutil.copytree(warm, folder)
    (folder / "manifest.json").unlink()
    adapter, true = (place / "gradients" / "warm.safetensors" for place in (folder, warm))
    adapter.write_bytes(true.read_bytes()[:-9])
    PartStore(folder / "gradients").path(0).unlink()
    code, said = run((*asked, *WARM, "--out", str(folder)))
    assert code == 0, said
    assert adapter.read_bytes() == true.read_bytes()


def test_the_adapter_of_a_run_serves_another(asked, warm, tmp_path):
    adapter = ("--adapter", str(warm / "gradients" / "warm.safetensors"), "--precondition", "diagonal")
    code, said = run((*asked, *adapter, "--normalise", "unit", "--out", str(tmp_path / "r")))
    assert code == 0, said
    found, expected = load(tmp_path / "r"), load(warm)
    assert np.array_equal(found.features.features, expected.features.features)
    assert found.manifest["identity"]["model_weights_sha256"] != expected.manifest["identity"]["model_weights_sha256"]


STATES = ("--warm", "--warm-checkpoints", "3", "--precondition", "adam", "--normalise", "unit")


@pytest.fixture(scope="module")
def at_three(asked, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("three") / "r"
    code, said = run((*asked, *STATES, "--out", str(out)))
    assert code == 0, said
    assert "16 passes over 26 rows, 64 steps" in said
    assert "3 checkpoints, which weigh" in " ".join(said.split())
    return out


def adapters(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "gradients").glob("warm*")}


def test_a_run_at_several_checkpoints_is_resumed_without_a_second_warm_up(asked, at_three, tmp_path):
    assert len(adapters(at_three)) == 6  # three and their sums
    assert load(at_three).features.dim == 3 * 64
    folder = tmp_path / "r"
    shutil.copytree(at_three, folder)
    (folder / "manifest.json").unlink()
    PartStore(folder / "gradients").path(1).unlink()
    code, said = run((*asked, *STATES, "--out", str(folder)))
    assert code == 0, said
    assert "Warming up" not in said
    assert differences(folder, at_three) == []


@pytest.mark.parametrize("harmed", ["warm-1.safetensors", "warm.safetensors"])
def test_a_run_that_lacks_one_of_its_adapters_trains_all_again_to_the_same_bits(asked, at_three, tmp_path, harmed):
    folder = tmp_path / "r"
    shutil.copytree(at_three, folder)
    (folder / "manifest.json").unlink()
    (folder / "gradients" / harmed).unlink()
    PartStore(folder / "gradients").path(0).unlink()
    code, said = run((*asked, *STATES, "--out", str(folder)))
    assert code == 0, said
    assert "Warming up" in said
    assert adapters(folder) == adapters(at_three)
    assert differences(folder, at_three) == []


def test_two_processes_share_a_run_at_several_checkpoints(asked, at_three, tmp_path):
    folder = tmp_path / "r"
    logs = [tmp_path / f"{rank}.log" for rank in (0, 1)]
    commands = [
        Command((*asked, *STATES, "--out", str(folder)), prepare=partial(breaking.place, rank, 2)) for rank in (0, 1)
    ]
    processes = [start(command, log) for command, log in zip(commands, logs, strict=True)]
    for process in processes:
        process.join()
    said = [log.read_text() for log in logs]
    assert [process.exitcode for process in processes] == [0, 0], said
    assert "Warming up" not in said[1]
    assert adapters(folder) == adapters(at_three)
    assert differences(folder, at_three) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--precondition", "adam"), "--warmup-rows"),
        (("--warmup-rows", "5", "--parameters", "last-layer"), "only a LoRA"),
        (("--adapter", "nowhere"), "there is no such file"),
        (("--schedule", "interleaved", "--parameters", "full"), "--parameters"),
        (("--schedule", "interleaved", "--warmup-rows", "4"), "--warmup-rows"),
        (("--schedule", "interleaved", "--warm"), "--warm: the run trains the LoRA itself"),
        (("--warm", "--warmup-rows", "4"), "Leave one of them out"),
        (("--warm", "--adapter", "nowhere"), "--warm with --adapter"),
        (("--warm", "--parameters", "full"), "only a LoRA"),
        (("--warm-checkpoints", "2"), "Give --warm"),
        (("--warm-checkpoints", "4", "--warmup-rows", "24"), "3 optimiser steps"),
        (("--warm", "--method", "longest"), "--warm"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_loaded(asked, tmp_path, flags, words):
    code, said = run((*asked, *flags, "--out", str(tmp_path / "r")))
    assert code == 2
    assert words in " ".join(said.split())
    assert not (tmp_path / "r").exists()
