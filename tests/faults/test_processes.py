"""A run shared by several processes ends as that of one, also when one of them is killed."""

import os
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import spice_select as spice
from spice_select.executors import DeviceExecutor
from spice_select.features import stage
from spice_select.store import PartStore

from .conftest import Command, start

sys.path.insert(0, str(Path(__file__).parent))
import breaking
from benchmarks.kills import PART_TOKENS, differences


def ranks(asked, folder: Path, prepare=breaking.place):
    logs = [folder.parent / f"{rank}.log" for rank in (0, 1)]
    commands = [Command((*asked, "--out", str(folder)), prepare=partial(prepare, rank, 2)) for rank in (0, 1)]
    return [start(command, log) for command, log in zip(commands, logs, strict=True)], logs


def test_two_processes_under_torchrun_share_a_run(asked, whole, tmp_path) -> None:
    processes, logs = ranks(asked, tmp_path / "r", breaking.slow_place)
    for process in processes:
        process.join()
    said = [log.read_text() for log in logs]
    assert [process.exitcode for process in processes] == [0, 0], said
    assert "selected.jsonl" in said[0]
    assert "information" not in said[1]
    assert differences(tmp_path / "r", whole) == []
    shares = [(tmp_path / "r" / f"share-{rank}").read_text().split() for rank in (0, 1)]
    assert all(int(part) % 2 == rank for rank, share in enumerate(shares) for part in share)
    assert all(shares)


def test_a_killed_process_among_two_costs_nothing(asked, whole, tmp_path) -> None:
    (first, second), logs = ranks(asked, tmp_path / "r", breaking.slow_place)
    while not (tmp_path / "r" / "share-1").exists():
        assert second.exitcode is None, logs[1].read_text()
        time.sleep(0.02)
    second.kill()
    first.join()
    assert first.exitcode == 0, logs[0].read_text()
    assert "Process 1 is gone" in logs[0].read_text()
    assert differences(tmp_path / "r", whole) == []


@pytest.mark.parametrize("killed", [False, True])
def test_processes_share_a_run_whose_proxy_moves(asked_moving, whole_moving, tmp_path, killed) -> None:
    (first, second), logs = ranks(asked_moving, tmp_path / "r", breaking.slow_place)
    while killed and not (tmp_path / "r" / "share-1").exists():
        assert second.exitcode is None, logs[1].read_text()
        time.sleep(0.02)
    if killed:
        second.kill()
    for process in (first, second):
        process.join()
    assert first.exitcode == 0, logs[0].read_text()
    assert ("Process 1 is gone" in logs[0].read_text()) == killed
    assert differences(tmp_path / "r", whole_moving) == []
    for name in ("steps.jsonl", "adapter/adapter_model.safetensors"):
        assert (tmp_path / "r" / "proxy" / name).read_bytes() == (whole_moving / "proxy" / name).read_bytes()
    left = {path.name for path in (tmp_path / "r" / "proxy").iterdir()}
    assert not left & {"orders", "processes"}
    shares = [(tmp_path / "r" / f"share-{rank}").read_text().split() for rank in (0, 1)]
    assert shares[0]
    assert shares[1] or killed
    assert second.exitcode == (-9 if killed else 0), logs[1].read_text()


def test_a_process_for_each_device_shares_a_run(asked, whole, tmp_path, monkeypatch) -> None:
    """Two "devices" that are this CPU: a real worker process is started."""
    monkeypatch.setattr(stage, "PART_TOKENS", PART_TOKENS)
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    computed, write = [], PartStore.write

    def noted(self, part, block):
        computed.append(part)
        return write(self, part, block)

    script = (
        "import sys; from spice_select.run import worker; from spice_select.features import stage\n"
        f"stage.PART_TOKENS = {PART_TOKENS}; worker.main(sys.argv[1:])\n"
    )

    def two_devices(folder, meeting, **options):
        command = (sys.executable, "-c", script)
        return DeviceExecutor(folder=folder, meeting=meeting, devices=("cpu", "cpu"), worker=command)

    monkeypatch.setattr(PartStore, "write", noted)
    monkeypatch.setattr("spice_select.schedules.static.executor_for", two_devices)
    spice.select(asked[1], out=tmp_path / "r", **as_options(asked))
    said = (tmp_path / "r" / "worker-1.log").read_text()
    assert differences(tmp_path / "r", whole) == [], said
    assert computed
    assert all(part % 2 == 0 for part in computed)


def test_a_worker_that_cannot_begin_is_noticed(asked, whole, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(stage, "PART_TOKENS", PART_TOKENS)
    told = []

    def no_worker(folder, meeting, **options):
        command = (sys.executable, "-c", "raise SystemExit('no such device')")
        return DeviceExecutor(folder=folder, meeting=meeting, devices=("cpu", "cpu"), worker=command, tell=told.append)

    monkeypatch.setattr("spice_select.schedules.static.executor_for", no_worker)
    spice.select(asked[1], out=tmp_path / "r", **as_options(asked))
    assert differences(tmp_path / "r", whole) == []
    assert "Process 1 is gone" in told[0]
    assert "no such device" in (tmp_path / "r" / "worker-1.log").read_text()


def as_options(asked) -> dict[str, object]:
    """The settings of a command line."""
    options = dict(zip((name[2:].replace("-", "_") for name in asked[2::2]), asked[3::2], strict=True))
    return options | {"sketch_dim": int(options["sketch_dim"]), "batch_tokens": int(options["batch_tokens"])}
