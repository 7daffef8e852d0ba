"""A lock is held until its file is closed or its process ends, and a file system without locks says so."""

import errno
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from spice_select.store import hold, is_held, locks

HOLDER = """
import sys, time
from pathlib import Path
from spice_select.store import hold
with Path(sys.argv[1]).open("a") as file:
    print(hold(file), flush=True)
    time.sleep(60)
"""


def test_it_is_free_again_when_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert is_held(path) is None
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "True\n"
        assert is_held(path) is True
        with path.open("a") as file:
            assert hold(file) is False
    finally:
        holder.kill()
        holder.wait()
    assert is_held(path) is False
    with path.open("a") as file:
        assert hold(file) is True
        assert is_held(path) is True
    assert is_held(path) is False


def test_who_looks_is_not_taken_for_the_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    path, plain, seen = tmp_path / "a.lock", fcntl.flock, []

    def flock(file: IO | int, kind: int) -> None:
        plain(file, kind)
        if not seen:
            seen.append(None)
            seen.append(is_held(path))  # another looks in the same instant

    path.touch()
    monkeypatch.setattr("fcntl.flock", flock)
    assert is_held(path) is False
    assert seen == [None, False]


@pytest.mark.parametrize("fault", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int) -> None:
    def refuse(descriptor: int, *, blocking: bool) -> bool:
        raise OSError(fault, "no locks")

    def refuse_flock(*_: object) -> None:
        raise OSError(fault, "no locks")

    monkeypatch.setattr(locks, "lock_descriptor", refuse)
    monkeypatch.setattr("fcntl.flock", refuse_flock)
    with (tmp_path / "a.lock").open("w") as file:
        assert hold(file) is None
        assert hold(file, wait=True) is None
    assert is_held(tmp_path / "a.lock") is None
