"""Where rows come from: one file, a folder of files, a saved ``datasets`` folder, or (on request) the hub.

Rows are kept exactly as they came, so that a selection can be written out in the form it arrived in. Files are told
apart by their content first and their name second. Everything a person can get wrong here is an `InputError` that
names the file, the place, the cause and the remedy.
"""

import hashlib
import itertools
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from spice_select.data.readers.bytes import read_bytes
from spice_select.data.readers.caches import refuse_prepared_twice
from spice_select.data.readers.column import take_rows
from spice_select.data.readers.doubles import Doubles, unpacked_name
from spice_select.data.readers.folder import is_saved_dataset, read_hub, read_saved
from spice_select.data.readers.kinds import BY_EXTENSION, Located, accepted, choose_reader, extension
from spice_select.data.readers.splits import EVERY, kind_of, label_of, some, take
from spice_select.data.readers.walk import walk
from spice_select.data.records import Row
from spice_select.errors import InputError, nearest

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus as it was read.

    Attributes:
        rows: every row, in order, numbered from 0; at least one.
        notes: what lay there and was not read, or read otherwise than its names suggest, a sentence each.
    """

    rows: list[Row]
    notes: tuple[str, ...] = ()


def read_rows(
    path_or_id: str | Path,
    *,
    split: str | None = None,
    subset: str | None = None,
    revision: str | None = None,
    allow_network: bool = False,
) -> list[Row]:
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
            folder of files names tell the splits (`spice_select.data.readers.splits`), and what is no split's name is
            the beginning of the names of files or folders; where names tell none, a column `split` of the rows may.
        subset: the configuration of a hub data set; in a folder of files, the folder that holds it.
        revision: the revision of a hub data set, in the hub's cache the snapshot.
        allow_network: a hub id is looked up only if this is true.
        default_split: what is read of a source that names several splits where `split` does not say.

    Returns:
        The rows, at least one, and the notes. The whole corpus is held in memory.

    Raises:
        InputError: nothing there, nothing in it, or something in it that cannot be read.
    """
    path = Path(path_or_id).expanduser()
    if path.is_dir() and is_saved_dataset(path):
        _refuse(path, subset=subset, revision=revision)
        located, notes = read_saved(path, split, default_split)
        corpus = _numbered(_at(path.name, located), notes)
    elif path.is_dir():
        corpus = _folder(path, split, default_split, subset, revision)
    elif path.exists():
        _refuse(path, subset=subset, revision=revision)
        corpus = _numbered(_at(path.name, _file(path)), ())
        corpus = _by_column(corpus, _unnamed(path, split), default_split, str(path))
    else:
        located, notes = _hub_or_missing(str(path_or_id), path, (split, default_split), subset, revision, allow_network)
        corpus = _numbered(_at(str(path_or_id), located), notes)
    if not corpus.rows:
        raise InputError(f"{path_or_id}: holds no rows. Give a corpus with at least one row.")
    return corpus


def _numbered(located: Iterator[Located], notes: tuple[str, ...]) -> Corpus:
    return Corpus([Row(number, raw, where) for number, (raw, where) in enumerate(located)], notes)


def _at(name: str, located: Iterator[Located]) -> Iterator[Located]:
    for raw, place in located:
        yield raw, f"{name}{place}"


def _refuse(path: Path, **options: str | None) -> None:
    for name, value in options.items():
        if value is not None:
            raise InputError(
                f"{name}={value!r}: {path} has no {name}s to choose from; a hub data set may have. Leave {name} out."
            )


def _by_column(corpus: Corpus, split: str | None, default: str, name: str) -> Corpus:
    """The rows that say they are of the split, numbered anew; all of them where rows name no splits."""
    if split == EVERY:
        return corpus
    taken, notes = take_rows([row.raw for row in corpus.rows], split, default, name)
    if len(taken) == len(corpus.rows):
        return corpus
    kept = ((corpus.rows[position].raw, corpus.rows[position].where) for position in taken)
    return _numbered(kept, (*notes, *corpus.notes))


def _unnamed(path: Path, split: str | None) -> str | None:
    """The split asked for, or all where a single file is that split by its own name."""
    label = label_of(PurePath(path.name))
    return EVERY if label is not None and split in (label.name, label.kind) else split


def _file(path: Path) -> Iterator[Located]:
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(
            f"{path}: a pipe, socket or device, not a file. Write the rows to a file: a corpus is read more than once."
        )
    data = read_bytes(path)
    if not data.strip():
        raise InputError(f"{path}: the file is empty. Give a corpus with at least one row.")
    return choose_reader(path, data)(path, data)


def _folder(folder: Path, split: str | None, default: str, subset: str | None, revision: str | None) -> Corpus:
    found = walk(folder, revision)
    if revision is not None and not found.cached:
        _refuse(folder, revision=revision)
    files = [file for file in found.files if subset is None or subset in file.parts[:-1]]
    if not files and found.files:
        below = ", ".join(dict.fromkeys(file.parts[0] for file in found.files if len(file.parts) > 1)) or "none"
        raise InputError(f"subset={subset!r}: no folder of this name in {folder} holds files. Folders are: {below}.")
    if not files:
        passed = [*found.unknown, *found.beside]
        beside = f" There is only {some(passed, 'name')}." if passed else ""
        raise InputError(f"{folder}: the folder holds no file that can be read.{beside} {accepted()}")
    refuse_prepared_twice(folder, (found.files[file] for file in files))
    by_names = any(label_of(file) is not None for file in files) or (split is not None and kind_of(split) is None)
    taken, left = take(files, split if by_names else EVERY, str(folder), default)
    rows, notes = _all_rows({file: found.files[file] for file in taken})
    corpus = Corpus(rows, (*left, *_configurations(taken), *_keys(taken), *found.told(), *notes))
    return corpus if by_names else _by_column(corpus, split, default, str(folder))


def _all_rows(files: Mapping[PurePath, Path]) -> tuple[list[Row], list[str]]:
    """The rows of several files, each named as seen from the folder, and what was found on reading."""
    rows: list[Row] = []
    empty, copies, doubles = [], [], Doubles()
    packed = Counter(map(unpacked_name, files))
    contents: dict[tuple[PurePath, bytes], PurePath] = {}
    for file, path in files.items():
        before, data = len(rows), read_bytes(path)
        if packed[unpacked_name(file)] > 1:
            first = contents.setdefault((unpacked_name(file), hashlib.sha256(data).digest()), file)
            if first != file:
                copies.append(f"{file} (as {first})")
                continue
        if data.strip():
            for raw, place in choose_reader(path, data)(path, data):
                rows.append(Row(len(rows), raw, f"{file.as_posix()}{place}"))
                if len(files) > 1:
                    doubles.add(file, raw)
        if len(rows) == before:
            empty.append(str(file))
    notes = [*([f"Without a row: {some(empty, 'file')}."] if empty else [])]
    notes += [f"Packed and unpacked copies of the same content, read once: {some(copies, 'file')}."] if copies else []
    return rows, [*notes, *doubles.told()]


def _configurations(files: list[PurePath]) -> Iterator[str]:
    """A note where folders beside each other have splits of their own, as the configurations of one data set do."""
    homes = dict.fromkeys(_home(file) for file in files if label_of(file) is not None)
    if len(homes) > 1:
        names = some((str(home) if home.name else "the top" for home in homes), "folder")
        yield (
            f"Folders with splits of their own are read together: {names}. Give one, or its name with --subset, "
            "if they are versions of the same rows."
        )


def _keys(files: list[PurePath]) -> Iterator[str]:
    """A note where names of folders hold values, as in tables that were written in partitions (``lang=de/``)."""
    keyed = dict.fromkeys(part for file in files for part in file.parts[:-1] if re.fullmatch(r"\w+=.+", part))
    if keyed:
        yield f"Values in the names of folders are not among the fields of the rows: {some(keyed, 'folder')}."


def _home(file: PurePath) -> PurePath:
    """The folder that holds a file's split: above the outermost folder that is a split itself."""
    folders = file.parts[:-1]
    return PurePath(*itertools.takewhile(lambda name: label_of(PurePath(name)) is None, folders))


def _hub_or_missing(
    name: str, path: Path, split: tuple[str | None, str], subset: str | None, revision: str | None, allow_network: bool
) -> tuple[Iterator[Located], tuple[str, ...]]:
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
