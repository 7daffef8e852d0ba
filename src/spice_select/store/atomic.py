"""Files that are whole or absent: written aside, flushed to the disk, then renamed."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil

from spice_select.errors import InputError, SpiceError, system_refusal

_REMEDIES = {
    errno.ENOSPC: "The disk is full. Free some space and run the same command again: finished parts are kept.",
    errno.EDQUOT: "The disk quota is used up. Free some space and run the same command again: finished parts are kept.",
    errno.EACCES: "Permission denied. Choose another folder with --out, or make this one writable.",
    errno.EPERM: "Permission denied. Choose another folder with --out, or make this one writable.",
    errno.EROFS: "The file system is read-only. Choose another folder with --out.",
    errno.ENOTDIR: "A part of the path is a file, not a folder. Choose another folder with --out.",
    errno.EISDIR: "A folder is in the way. Move it away, or choose another folder with --out.",
    errno.EEXIST: "A file is in the way. Choose another folder with --out.",
    errno.ENAMETOOLONG: "A name in the path is longer than the file system takes. Choose another folder with --out.",
    errno.ELOOP: "Links on the path lead in a circle. Choose another folder with --out.",
    errno.EFBIG: "The file grew beyond what the system allows. Raise the limit (`ulimit -f`) or choose another disk.",
}

_ASIDE = ".part"
_HOST = "".join(letter if letter.isalnum() else "_" for letter in platform.node()) or "host"


_ELSEWHERE = "Nothing can be made there. Choose another place."


@contextlib.contextmanager
def explained(path: Path, *, otherwise: str | None = None) -> Iterator[None]:
    """Turn a refusal of the file system into an InputError with its remedy.

    Args:
        path: what is written.
        otherwise: the remedy for causes that are not known here; without it such faults pass unchanged.
    """
    try:
        yield
    except SpiceError:
        raise
    except Exception as error:
        refused = system_refusal(error)
        # pyarrow raises plain OSError subclasses with the errno kept; a fault without a known cause is ours
        remedy = None if refused is None else _REMEDIES.get(refused.errno or 0, otherwise)
        if refused is None or remedy is None:
            raise
        raise InputError(f"{path} cannot be written ({refused.strerror or refused}). {remedy}") from error


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where it is not there. Raises InputError whatever the system's reason."""
    with explained(path, otherwise=_ELSEWHERE):
        path.mkdir(parents=True, exist_ok=True)


def open_to_write(path: Path, mode: str, *, called: Path | None = None) -> IO[str]:
    """A file of text opened to be written, made where it is not there. Raises InputError as `make_folder`.

    `called` is what a person knows the file by, where it is written aside.
    """
    with explained(called or path, otherwise=_ELSEWHERE):
        return path.open(mode, encoding="utf-8", errors="backslashreplace")


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a path to write to; on success it becomes `path` in one step, on failure nothing is left.

    The name written to holds machine and process, so that two writers never share a half-written file; the last rename
    wins. What a killed process leaves aside is swept away by `sweep`.

    Raises:
        InputError: disk full, read-only, or no permission.
    """
    aside = path.with_name(f"{path.name}.{_HOST}-{os.getpid()}{_ASIDE}")
    try:
        with explained(path):
            yield aside
            _flush_to_disk(aside)
            os.replace(aside, path)
            _flush_to_disk(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """Yield an empty folder to write to; on success it becomes `place`, on failure nothing of it is left.

    A folder at `place` is replaced, and stays until the new one is whole: it is renamed away in the step before.

    Raises:
        InputError: disk full, read-only, or no permission.
    """
    place = place.resolve()
    aside = place.with_name(f".{place.name}.{_HOST}-{os.getpid()}{_ASIDE}")
    old = place.with_name(f".{place.name}.old.{_HOST}-{os.getpid()}{_ASIDE}")
    with explained(place):
        for left in place.parent.glob(f".{glob.escape(place.name)}.old.{_HOST}-*{_ASIDE}"):
            _put_back(left)
        _clear(place, aside, old)  # in a container the number of a process that was killed comes again
        try:
            make_folder(aside)
            yield aside
            if place.is_dir():
                os.rename(place, old)
            os.rename(aside, place)
        finally:
            _clear(place, aside, old)


def _clear(place: Path, aside: Path, old: Path) -> None:
    """Remove what lies aside; what lay at the place comes back if the writer ended between the two renames."""
    if old.is_dir() and not place.exists():
        os.rename(old, place)
    shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, making its folder; halves of surrogate pairs, which file names hold, as escapes.

    Raises:
        InputError: as `atomic`.
    """
    write_lines(path, [text], end="")


def output_file(path: Path) -> Path:
    """Where a file that was asked for goes, links followed; seen to be writable before the work for it begins.

    Raises:
        InputError: it is a folder, a pipe or a device, or as `atomic`.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        kind = "a folder" if place.is_dir() else "no plain file (a pipe or a device)"
        raise InputError(f"{path} is {kind}, and a file is written whole, in its place. Give the name of a file.")
    make_folder(place.parent)
    probe = place.with_name(f"{place.name}.{_HOST}-{os.getpid()}{_ASIDE}")
    open_to_write(probe, "w", called=path).close()
    probe.unlink(missing_ok=True)
    return place


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON, indented. Raises InputError as `atomic`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_lines(path: Path, lines: Iterable[str], *, end: str = "\n") -> None:
    """Write lines as `write_text` does, one at a time. Raises InputError as `atomic`."""
    make_folder(path.parent)
    with atomic(path) as aside, open_to_write(aside, "w", called=path) as handle:
        for line in lines:
            handle.write(line + end)


def _put_back(old: Path) -> bool:
    """Rename back what a process that is gone had renamed away, where nothing came in its place."""
    place = old.with_name(old.name.removeprefix(".").rpartition(".old.")[0])
    if not _is_left(old) or place.exists():
        return False
    os.rename(old, place)
    return True


def _is_left(aside: Path) -> bool:
    """Whether the process of this machine that put it aside is gone."""
    number = aside.name.removesuffix(_ASIDE).rpartition("-")[2]
    return number.isdigit() and int(number) != os.getpid() and not psutil.pid_exists(int(number))


def sweep(folder: Path) -> None:
    """Remove half-written files and folders that killed processes of this machine left anywhere under a folder.

    Those of a living process, or of another machine (on a shared file system), are left alone; a folder that was only
    renamed away comes back, see `whole_folder`.
    """
    for aside in list(folder.rglob(f"*.{_HOST}-*{_ASIDE}")):
        if _is_left(aside):
            if aside.is_dir() and ".old." in aside.name and _put_back(aside):
                continue
            if aside.is_dir():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folder as a file
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
