"""The folder of an export: whole or absent, and never written over anything that is not one."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spice_select.data.plain import json_text
from spice_select.errors import InputError
from spice_select.store import sha256, whole_folder, write_json, write_lines

MARK = "export.json"
"""Written last; names every other file of the export with its SHA-256."""

LINES = "train.jsonl"
"""The rows of an export that holds them as JSON lines."""
_FILES = (".jsonl", ".json", ".parquet", ".csv")


@contextlib.contextmanager
def export_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to write to; on success it becomes `path` in one step, on failure nothing is left.

    An earlier export at `path` is replaced if it is as it was written.

    Raises:
        InputError: `path` is a file, holds anything that is not of an export, or cannot be written.
    """
    refuse_foreign(path)
    with whole_folder(path) as aside:
        yield aside


def finish(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the mark with the SHA-256 of every file that is there."""
    sums = {name: sha256(folder / name) for name in _files(folder)}
    write_json(folder / MARK, {**facts, "files": sums})


def refuse_foreign(path: Path) -> None:
    """Raise an InputError unless `path` is absent, an empty folder, or an export as it was written."""
    if path.suffix in _FILES and not path.is_dir():
        raise InputError(f"{path} names a file, but an export is a folder of files. Give a folder with --out.")
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"{path} is a file, not a folder. Choose another --out.")
    present = _files(path)
    if not present:
        return
    if MARK not in present:
        raise InputError(
            f"{path} holds files that are not of an export (e.g. {present[0]!r}); nothing was written. "
            "Choose an empty or new folder with --out."
        )
    strangers = _strangers(path, present)
    if strangers:
        raise InputError(
            f"{path} is an export to which something was added or altered since (e.g. {strangers[0]!r}); nothing was "
            "written. Choose another folder with --out, or delete this one."
        )


def _strangers(path: Path, present: Iterable[str]) -> list[str]:
    try:
        sums = json.loads((path / MARK).read_text(encoding="utf-8"))["files"]
        return [name for name in present if name != MARK and sums.get(name) != sha256(path / name)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [MARK]


def _files(folder: Path) -> list[str]:
    """Every file below, by its path from `folder`; links count as files, whatever they point to."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write strict JSON lines, one record each, as the run's own files are written."""
    write_lines(path, map(json_text, records))
