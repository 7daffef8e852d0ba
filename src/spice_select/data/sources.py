"""Where rows come from: one file, a folder of files, a saved ``datasets`` folder, or (on request) the hub.

Rows are kept exactly as they came, so that a selection can be written out in the form it arrived in. Files are told
apart by their content first and their name second. Everything a person can get wrong here is an `InputError` that
names the file, the place, the cause and the remedy.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spice_select.data.readers.arrow import read_arrow, read_parquet
from spice_select.data.readers.bytes import CODECS, read_bytes
from spice_select.data.readers.folder import is_saved_dataset, read_hub, read_saved
from spice_select.data.readers.tables import read_csv, read_tsv
from spice_select.data.readers.text import read_json, read_jsonl
from spice_select.data.records import Row
from spice_select.errors import InputError, nearest

Located = tuple[dict[str, Any], str]
"""One raw row and where it stands (``train.jsonl:17``)."""

Reader = Callable[[Path, bytes], Iterator[Located]]

BY_EXTENSION: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
}
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def read_rows(
    path_or_id: str | Path,
    *,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    allow_network: bool = False,
) -> list[Row]:
    """Read every row of a corpus, in order, numbered from 0.

    Args:
        path_or_id: a file (JSONL, JSON array, CSV, TSV, Parquet, Arrow; each also as .gz, .xz, .bz2), a folder of
            such files (read in the order of their names), a folder written by ``datasets.save_to_disk``, or the id
            of a hub data set.
        split: the split of a saved or hub data set; by default ``train``, or the only one there is. For a folder
            of files: only files whose name starts with it.
        subset: the configuration of a hub data set.
        revision: the revision of a hub data set.
        allow_network: a hub id is looked up only if this is true.

    Returns:
        The rows, at least one. The whole corpus is held in memory.

    Raises:
        InputError: nothing there, nothing in it, or something in it that cannot be read.
    """
    path = Path(path_or_id).expanduser()
    if path.is_dir():
        _refuse(path, subset=subset, revision=revision)
        located = read_saved(path, split) if is_saved_dataset(path) else _folder(path, split)
    elif path.exists():
        _refuse(path, split=split, subset=subset, revision=revision)
        located = _file(path)
    else:
        located = _hub_or_missing(str(path_or_id), path, split, subset, revision, allow_network)
    rows = [Row(number, raw, where) for number, (raw, where) in enumerate(located)]
    if not rows:
        raise InputError(f"{path_or_id}: holds no rows. Give a corpus with at least one row.")
    return rows


def _refuse(path: Path, **options: str | None) -> None:
    for name, value in options.items():
        if value is not None:
            raise InputError(
                f"{name}={value!r}: {path} has no {name}s to choose from; only a saved or hub data set has. "
                f"Leave {name} out."
            )


def _file(path: Path) -> Iterator[Located]:
    data = read_bytes(path)
    if not data.strip():
        raise InputError(f"{path}: the file is empty. Give a corpus with at least one row.")
    return choose_reader(path, data)(path, data)


def choose_reader(path: Path, data: bytes) -> Reader:
    """The reader for a file by its (uncompressed) content, else by its name."""
    extension = _extension(path)
    if data.startswith(b"PAR1"):
        return read_parquet
    if data.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return read_arrow
    if extension in BY_EXTENSION:
        return BY_EXTENSION[extension]
    if b"\0" in data[:8192]:
        raise InputError(f"{path}: a binary file that is neither Parquet nor Arrow. {_accepted()}")
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"{", b"["):
        return read_json
    raise InputError(
        f"{path}: cannot tell what kind of file this is: the extension {extension or '(none)'!r} is not known "
        f"and its content is not JSON.{nearest(extension, BY_EXTENSION)} {_accepted()}"
    )


def _accepted() -> str:
    return f"Known are {', '.join(BY_EXTENSION)}, each also with {', '.join(CODECS)}."


def _extension(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in CODECS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _folder(folder: Path, split: str | None) -> Iterator[Located]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _extension(path) in BY_EXTENSION and not _hidden(path.relative_to(folder))
    ]
    if not files:
        raise InputError(f"{folder}: the folder holds no file that can be read. {_accepted()}")
    chosen = [path for path in files if split is None or path.name.startswith(split)]
    if not chosen:
        names = ", ".join(path.name for path in files[:8])
        raise InputError(f"split={split!r}: no file in {folder} has a name that starts with it. There are: {names}.")
    for path in chosen:
        yield from _file(path)


def _hidden(relative: Path) -> bool:
    return any(part.startswith((".", "_")) for part in relative.parts)


def _hub_or_missing(
    name: str, path: Path, split: str | None, subset: str | None, revision: str | None, allow_network: bool
) -> Iterator[Located]:
    looks_like_id = _HUB_ID.fullmatch(name) is not None and _extension(path) not in BY_EXTENSION
    if looks_like_id and allow_network:
        return read_hub(name, split, subset, revision)
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
