"""Whole runs of `spice select` on a cluster: the bytes of one process, however often workers and drivers are killed."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spice_select.executors.cluster.ledger import read_ledger

sys.path.insert(0, str(Path(__file__).parents[3]))

from benchmarks.kills import Command, differences, make_corpus, start

from tests.faults.breaking import slow_engine

from .small import PART_TOKENS, small_parts

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


@pytest.fixture(scope="session")
def asked(tiny_proxy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A small run of some nine parts, with a target."""
    folder = tmp_path_factory.mktemp("corpus")
    corpus, target = make_corpus(folder / "sums.jsonl", rows=26), folder / "target.jsonl"
    lines = corpus.read_text().splitlines(keepends=True)
    target.write_text("".join(line.replace("What is", "Tell me") for line in lines[:9]))
    options = ("--model", str(tiny_proxy), "--sketch-dim", "64", "--batch-tokens", "128", "--device", "cpu")
    return ("select", str(corpus), "--target", str(target), *options)


@pytest.fixture(scope="session")
def whole(asked: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a cluster."""
    return undisturbed(asked, tmp_path_factory.mktemp("runs") / "whole")


def undisturbed(asked: tuple[str, ...], out: Path) -> Path:
    """The folder of a run of one process that nobody disturbed."""
    process = begin(asked, out)
    process.join()
    assert process.exitcode == 0, said(out)
    return out


def begin(asked: tuple[str, ...], out: Path, *more: str, prepare: Callable[[], None] = small_parts) -> Any:
    command = Command((*asked, *more, "--out", str(out)), part_tokens=PART_TOKENS, prepare=prepare)
    return start(command, out.with_suffix(".log"))


def said(out: Path) -> str:
    return out.with_suffix(".log").read_text()


@pytest.fixture
def on_cluster(cluster: Any) -> tuple[str, ...]:
    return ("--engine", "ray", "--address", str(cluster.address))


def same(out: Path, whole: Path) -> bool:
    """Files of the corpus, of the target and of the outputs."""
    target = [path.relative_to(whole) for path in sorted(whole.glob("target/gradients/part-*"))]
    assert target
    assert differences(out, whole) == []
    assert [(out / path).read_bytes() == (whole / path).read_bytes() for path in target] == [True] * len(target)
    return True


@pytest.mark.parametrize("how", [("--workers", "1"), ("--workers", "2"), ("--gather",)], ids=["1", "2", "gather"])
def test_a_run_ends_in_the_bytes_of_one_process(asked, whole, on_cluster, tmp_path: Path, how) -> None:
    out = tmp_path / "r"
    process = begin(asked, out, *on_cluster, *how)
    process.join()
    assert process.exitcode == 0, said(out)
    assert same(out, whole)
    lines = read_ledger(out)
    assert {line["feature"] for line in lines if line["event"] == "finished"} == {"gradients"}
    opened = {line["pid"] for line in lines if line["event"] == "opened"}
    assert process.pid not in opened
    assert json.loads((out / "manifest.json").read_text())["parts"] > 5


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_actors_follow_a_run_whose_proxy_moves(moving, whole_moving, on_cluster, tmp_path: Path, workers, killed):
    """One, two and three processes: the same bits, also where one of them is killed as it helps."""
    out = tmp_path / "r"
    process = begin(moving, out, *on_cluster, "--workers", str(workers), prepare=partial(slow_engine, 0.3))
    if killed:
        wait_for((out / "proxy" / "processes" / f"process-{workers}.lock").is_file, process)
        os.kill(actors("ray::Helper")[-1], signal.SIGKILL)
    process.join()
    assert process.exitcode == 0, said(out)
    assert differences(out, whole_moving) == []
    for name in ("steps.jsonl", "adapter/adapter_model.safetensors"):
        assert (out / "proxy" / name).read_bytes() == (whole_moving / "proxy" / name).read_bytes()
    assert not {path.name for path in (out / "proxy").iterdir()} & {"orders", "processes"}
    assert len(list(out.glob("worker-*.log"))) == workers
    assert killed or "is gone with parts unfinished" not in said(out)
    assert not actors("ray::Helper"), "actors go with their driver"


@pytest.fixture(scope="session")
def moving(asked: tuple[str, ...]) -> tuple[str, ...]:
    """A proxy that is trained on what is picked: some cycles of two pools, with dropout in its steps."""
    pools = ("--schedule", "interleaved", "--pool-size", "4", "--update-every", "2", "--budget", "10")
    return (*asked, *pools, "--lora-dropout", "0.2")


@pytest.fixture(scope="session")
def whole_moving(moving: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, of one process."""
    return undisturbed(moving, tmp_path_factory.mktemp("runs") / "moving")


def test_a_driver_that_was_killed_goes_on_where_it_was(asked, whole, on_cluster, tmp_path: Path) -> None:
    out = tmp_path / "r"
    process = begin(asked, out, *on_cluster)
    wait_for(lambda: finished(out) >= 2, process)
    process.kill()
    process.join()
    before = finished(out)
    time.sleep(3)
    assert len(list(out.glob("gradients/*.sha256"))) <= before + 2, "workers go with their driver"
    with (out / "ledger.jsonl").open("a") as ledger:
        ledger.write('{"event": "fini')  # as a driver leaves it that is killed as it writes
    again = begin(asked, out, *on_cluster)
    again.join()
    assert again.exitcode == 0, said(out)
    assert same(out, whole)
    assert finished(out) <= len(list(out.glob("gradients/*.sha256"))) + len(list(out.glob("target/gradients/*.sha256")))


def test_an_interrupted_driver_says_so_and_leaves_a_run_to_resume(asked, whole, on_cluster, tmp_path: Path) -> None:
    out = tmp_path / "r"
    process = begin(asked, out, *on_cluster)
    wait_for(lambda: finished(out) >= 2, process)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130, said(out)
    assert "run the same command again" in said(out)
    assert "Traceback" not in said(out)
    again = begin(asked, out, "--engine", "here")  # whoever resumes it
    again.join()
    assert again.exitcode == 0, said(out)
    assert same(out, whole)


def test_twenty_kills_of_workers_and_drivers_change_no_byte(asked, whole, on_cluster, tmp_path: Path) -> None:
    """Thirteen of a worker that holds a model, three of one that loads it, four of the driver, at moments drawn."""
    place, draw = Kills(tmp_path / "r"), random.Random(0)
    due = ["working"] * 13 + ["loading"] * 3 + ["driver"] * 4
    draw.shuffle(due)
    process = begin(asked, place.out, *on_cluster)
    while due or process.exitcode != 0:
        process.join(draw.uniform(0.1, 6))  # long enough for parts to be finished between kills
        if process.exitcode is None and due:
            victims = [process.pid] if due[-1] == "driver" else place.workers(due[-1])
            if victims:
                os.kill(draw.choice(victims), signal.SIGKILL)
                if due.pop() == "driver":
                    process.join()
        if process.exitcode == 0 and due:
            assert same(place.out, whole)
            place.again(len(due))
        if process.exitcode == -signal.SIGKILL or (process.exitcode == 0 and due):
            process = begin(asked, place.out, *on_cluster)
        assert process.exitcode in (None, 0), said(place.out)
    assert same(place.out, whole)
    lines = [line for out in place.all for line in read_ledger(out)]
    print(sum(line["event"] == "died" and line["counts"] for line in lines), "deaths at a part")
    assert not [line for line in lines if line["event"] == "dropped"]


class Kills:
    """Where a run is that gets killed, and who works for it."""

    def __init__(self, out: Path) -> None:
        self.out, self.all = out, [out]

    def again(self, number: int) -> None:
        """A folder anew, with no neighbour to take parts from."""
        self.out = self.out.parent / f"{number}" / "r"
        self.out.parent.mkdir()
        self.all.append(self.out)

    def workers(self, kind: str) -> list[int]:
        """Processes that hold a model ("working"), or do not yet ("loading")."""
        opened = {line["pid"] for line in read_ledger(self.out) if line["event"] == "opened"}
        return [pid for pid in actors("ray::SmallParts") if (pid in opened) == (kind == "working")]


def actors(title: str) -> list[int]:
    """Processes that Ray has given a title."""
    import psutil

    found = {process.pid: "".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])}
    return [pid for pid, given in found.items() if title in given]


def finished(out: Path) -> int:
    return sum(line["event"] == "finished" for line in read_ledger(out))


def wait_for(ready: Callable[[], bool], process: Any) -> None:
    while not ready():
        assert process.exitcode is None, "it ended before"
        time.sleep(0.05)
