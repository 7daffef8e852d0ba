"""Processes that wait for the first one of a run: what they take for its life, its death and its beginning."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spice_select as spice
from spice_select.errors import SpiceError
from spice_select.run import worker
from spice_select.run.files import CONFIG
from spice_select.run.folder import IDENTITY, LOCK, MANIFEST, RunFolder
from spice_select.run.worker import wait_for, wait_for_run


def begun(folder: Path, **identity: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).touch()
    (folder / IDENTITY).write_text(json.dumps(identity))


def later(seconds: float, deed: Callable[[], Any]) -> threading.Timer:
    timer = threading.Timer(seconds, deed)
    timer.start()
    return timer


def test_another_run_that_is_yet_to_be_thrown_away_is_waited_for(tmp_path: Path) -> None:
    begun(tmp_path, seed=0)
    timer = later(0.5, lambda: begun(tmp_path, seed=5))
    start = time.monotonic()
    wait_for_run(tmp_path, {"seed": 5})
    assert time.monotonic() - start > 0.3
    timer.join()
    wait_for_run(tmp_path, {"seed": 5})


def test_another_run_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATIENCE", 0.3)
    begun(tmp_path, seed=0)
    wait_for_run(tmp_path, {"seed": 5})


def test_without_locks_news_in_the_folder_are_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATIENCE", 1.0)
    monkeypatch.setattr(worker, "is_held", lambda path: None)
    begun(tmp_path, seed=0)
    (tmp_path / LOCK).touch()
    (tmp_path / "gradients").mkdir()
    timers = [later(0.6 * at, (tmp_path / "gradients" / f"part-{at}").touch) for at in range(1, 5)]
    wait_for((tmp_path / "gradients" / "part-4").is_file, tmp_path)
    for timer in timers:
        timer.join()
    with pytest.raises(SpiceError, match="no locks there"):
        wait_for(lambda: False, tmp_path)


def test_a_run_that_has_not_begun_is_said_not_to_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATIENCE", 0.3)
    with pytest.raises(SpiceError, match="no process has begun"):
        wait_for(lambda: False, tmp_path / "none")


def test_a_run_that_is_made_again_is_not_finished_meanwhile(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"model": str(tiny_proxy), "budget": 5, "out": tmp_path / "run"}
    run = spice.select(corpus(), **asked)
    before = (run.path / "selected.jsonl").read_bytes()
    (run.path / "selected.jsonl").write_text("damaged\n")
    seen, whole = list[bool](), RunFolder.write_lines

    def looked(folder: RunFolder, *written: Any, **more: Any) -> None:
        seen.append((folder.path / MANIFEST).is_file())
        whole(folder, *written, **more)

    monkeypatch.setattr(RunFolder, "write_lines", looked)
    again = spice.select(corpus(), **asked)
    assert seen
    assert not any(seen)
    assert (again.path / "selected.jsonl").read_bytes() == before
    assert (again.path / MANIFEST).is_file()
