"""Processes that can be killed, and one run that nothing happened to."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the harness is that of `python -m benchmarks.kills`

from benchmarks.kills import Command, make_corpus, start


@pytest.fixture(scope="session")
def asked(tiny_proxy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The command line of a small run of some nine parts, without `--out`."""
    corpus = make_corpus(tmp_path_factory.mktemp("corpus") / "sums.jsonl", rows=26)
    return ("select", str(corpus), "--model", str(tiny_proxy), "--sketch-dim", "64", "--batch-tokens", "128")


@pytest.fixture(scope="session")
def whole(asked: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert run((*asked, "--out", str(out)))[0] == 0
    return out


@pytest.fixture(scope="session")
def asked_moving(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The same with a proxy that is trained on what is picked: three cycles of two pools."""
    moving = ("--schedule", "interleaved", "--pool-size", "5", "--update-every", "2", "--budget", "12")
    return (*asked, *moving, "--lora-dropout", "0.2")


@pytest.fixture(scope="session")
def whole_moving(asked_moving: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, of one process that nobody disturbed."""
    out = tmp_path_factory.mktemp("runs") / "moving"
    assert run((*asked_moving, "--out", str(out)))[0] == 0
    return out


def run(arguments: tuple[str, ...], prepare: Callable[[], None] | None = None) -> tuple[int, str]:
    """Run a command in a process of its own; returns exit code and what it printed."""
    log = Path(arguments[-1]).with_suffix(".log")
    process = start(Command(arguments, prepare=prepare), log)
    process.join()
    assert process.exitcode is not None
    return process.exitcode, log.read_text()
