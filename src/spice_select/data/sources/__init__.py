"""Where rows come from: one file, a folder of files, a saved ``datasets`` folder, or (on request) the hub.

Rows are kept exactly as they came, so that a selection can be written out in the form it arrived in. Files are told
apart by their content first and their name second. Everything a person can get wrong here is an `InputError` that
names the file, the place, the cause and the remedy.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from spice_select.data.records import Corpus, Row
from spice_select.data.row_table import RowTable
from spice_select.data.sources.bytes import Content
from spice_select.data.sources.column import SplitColumn
from spice_select.data.sources.folders import by_column, read_folder, refuse_options
from spice_select.data.sources.hub import Chosen, is_saved_dataset, read_hub, read_saved
from spice_select.data.sources.kinds import BY_EXTENSION, Placed, extension, read_file
from spice_select.data.sources.splits import EVERY_SPLIT, label_of
from spice_select.errors import InputError, nearest

__all__ = ["Corpus", "read_rows", "read_source"]

_SHOWN = 60
"""Characters of what is no path that are shown."""

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def read_rows(
    path_or_id: str | Path,
    *,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    allow_network: bool = False,
) -> Sequence[Row]:
    """The rows of `read_source`, without its notes."""
    return read_source(path_or_id, split=split, subset=subset, revision=revision, allow_network=allow_network).rows


def read_source(
    path_or_id: str | Path,
    *,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    allow_network: bool = False,
    default_split: str = "train",
) -> Corpus:
    """Read every row of a corpus, in order, numbered from 0, and say what was not read.

    Args:
        path_or_id: a file (JSONL, JSON array, CSV, TSV, Parquet, Arrow; each also as .gz, .xz, .bz2, .zst), a folder
            of such files (read in the order of their names, links followed), a data set in the hub's cache, a folder
            written by ``datasets.save_to_disk``, or the id of a hub data set.
        split: the split to read, ``all`` for every one; by default `default_split`, or the only one there is. In a
            folder of files names tell the splits (`spice_select.data.sources.splits`), and what is no split's name is
            the beginning of the names of files or folders; where names tell none, a column `split` of the rows may, as
            in a file and in a data set of one split.
        subset: the configuration of a hub data set; in a folder of files, the folder that holds it.
        revision: the revision of a hub data set, in the hub's cache the snapshot.
        allow_network: a hub id is looked up only if this is true.
        default_split: what is read of a source that names several splits where `split` does not say.

    Returns:
        The rows, at least one, on disk (`RowTable`), and the notes.

    Raises:
        InputError: nothing there, nothing in it, or something in it that cannot be read.
    """
    path = Path(path_or_id).expanduser()
    _refuse_out_of_reach(path)
    if path.is_dir() and is_saved_dataset(path):
        refuse_options(path, subset=subset, revision=revision)
        corpus = _of_set(path.name, read_saved(path, split, default_split))
    elif path.is_dir():
        _refuse_run(path)
        _refuse_export(path)
        corpus = read_folder(path, split, default_split, subset, revision)
    elif path.exists():
        refuse_options(path, subset=subset, revision=revision)
        column = SplitColumn()
        corpus = _numbered(_at(path.name, column.watched(_file(path))))
        corpus = by_column(corpus, column, _unnamed(path, split), default_split, str(path))
    else:
        found = _hub_or_missing(str(path_or_id), path, (split, default_split), subset, revision, allow_network)
        corpus = _of_set(str(path_or_id), found)
    if not corpus.rows:
        raise InputError(f"{path_or_id}: holds no rows. Give a corpus with at least one row.")
    return corpus


def _refuse_out_of_reach(path: Path) -> None:
    """Refuse what the system takes for no path at all, such as rows where their file is meant, and what it bars."""
    try:
        os.stat(os.path.join(path, os.curdir))  # a name in it: also whether a folder may be entered
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise InputError(
            f"{path}: no permission to look there: a folder of this path may not be entered. Change its permissions "
            "(chmod +rx)."
        ) from error
    except ValueError as error:
        raise _no_name(path, "it holds a zero byte") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _no_name(path, "it is longer than the file system takes a name") from error
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _no_name(path: Path, why: str) -> InputError:
    shown = str(path) if len(str(path)) <= _SHOWN else f"{str(path)[:_SHOWN]}…"
    return InputError(
        f"{shown}: no file can have this name: {why}. Give a file, a folder or a hub id; rows in memory are written to "
        "a JSON Lines file first."
    )


def _refuse_run(folder: Path) -> None:
    """A run's folder is full of files that hold no rows; those that were chosen are in one of them."""
    if all((folder / name).is_file() for name in ("identity.json", "config.yaml")):
        raise InputError(
            f"{folder}: the folder of a run, not a corpus. Give the corpus that it chose from, or the rows that it "
            f"chose: {folder / 'selected.jsonl'}."
        )


def _refuse_export(folder: Path) -> None:
    """An export holds more than the rows for a trainer: what was left out of them, and what is said of it."""
    try:
        facts = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    files = facts.get("files") if isinstance(facts, dict) and "destination" in facts else None
    if not isinstance(files, list | dict) or not all(isinstance(name, str) for name in files):
        return
    named = (name for name in files if PurePath(name).name.startswith("train"))
    rows = next((folder / name for name in named if extension(Path(name)) in BY_EXTENSION), folder)
    raise InputError(f"{folder}: the folder of an export, not a corpus. Give the rows in it: {rows}.")


def _numbered(located: Iterator[Placed], notes: tuple[str, ...] = ()) -> Corpus:
    return Corpus(RowTable.of(located), notes)


def _of_set(name: str, chosen: Chosen) -> Corpus:
    """The rows of a data set; where the names of its splits tell nothing, those of the split in a column."""
    column = SplitColumn()
    corpus = _numbered(_at(name, column.watched(chosen.rows)), chosen.notes)
    return by_column(corpus, column, chosen.split, chosen.default, name)


def _at(name: str, located: Iterator[Placed]) -> Iterator[Placed]:
    for raw, place in located:
        yield raw, f"{name}{place}"


def _unnamed(path: Path, split: str | None) -> str | None:
    """The split asked for, or all where a single file is that split by its own name."""
    label = label_of(PurePath(path.name))
    return EVERY_SPLIT if label is not None and split in (label.name, label.kind) else split


def _file(path: Path) -> Iterator[Placed]:
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(
            f"{path}: a pipe, socket or device, not a file. Write the rows to a file: a corpus is read more than once."
        )
    content = Content(path)
    if content.is_blank():
        raise InputError(f"{path}: the file is empty. Give a corpus with at least one row.")
    return read_file(content)


def _hub_or_missing(
    name: str, path: Path, split: tuple[str | None, str], subset: str | None, revision: str | None, allow_network: bool
) -> Chosen:
    looks_like_id = _HUB_ID.fullmatch(name) is not None and extension(path) not in BY_EXTENSION
    if looks_like_id and allow_network:
        return read_hub(name, *split, subset, revision)
    message = f"{name}: no such file or folder.{_nearest_file(path)}"
    if looks_like_id:
        message += " If it is the id of a hub data set, allow the network: --allow-network (allow_network=True)."
    raise InputError(message)


def _nearest_file(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f" The folder {path.parent} cannot be read either." if str(path.parent) != "." else ""
    return nearest(path.name, names)
