"""A folder of files as one corpus: which of them are read, what they hold, and what is to be said of the rest."""

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from spice_select.data.records import Corpus
from spice_select.data.row_table import RowTable
from spice_select.data.sources.bytes import Content
from spice_select.data.sources.caches import refuse_prepared_twice
from spice_select.data.sources.column import SplitColumn, take_rows
from spice_select.data.sources.doubles import Doubles, unpacked_name
from spice_select.data.sources.kinds import accepted, read_file
from spice_select.data.sources.shards import missing_shards
from spice_select.data.sources.splits import EVERY_SPLIT, kind_of, label_of, some, split_labels, take_split
from spice_select.data.sources.walk import Walk, walk
from spice_select.errors import InputError


def read_folder(folder: Path, split: str | None, default: str, subset: str | None, revision: str | None) -> Corpus:
    """Read the files of a folder and of all below it; arguments and errors as `spice_select.data.sources.read_source`.

    The rows may be none. Their places are the ways of their files from the folder, so nothing of the result depends on
    where the folder lies.
    """
    found = walk(folder, revision)
    if revision is not None and not found.cached:
        refuse_options(folder, revision=revision)
    files, outside = _inside(folder, found, subset)
    refuse_prepared_twice(folder, (found.files[file] for file in files))
    by_names = bool(split_labels(files)) or (split is not None and kind_of(split) is None)
    taken, left = take_split(files, split if by_names else EVERY_SPLIT, str(folder), default)
    column = SplitColumn()
    rows, notes = _all_rows({file: found.files[file] for file in taken}, column)
    told = (*left, *outside, *_configurations(taken), *_keys(taken), *missing_shards(taken), *found.told(), *notes)
    corpus = Corpus(rows, told)
    return corpus if by_names else by_column(corpus, column, split, default, str(folder))


def refuse_options(path: Path, **options: str | None) -> None:
    """Raise for the first option that is given: this source has nothing that it could choose from."""
    for name, value in options.items():
        if value is not None:
            raise InputError(
                f"{name}={value!r}: {path} has no {name}s to choose from; a hub data set may have. Leave {name} out."
            )


def by_column(corpus: Corpus, column: SplitColumn, split: str | None, default: str, name: str) -> Corpus:
    """The rows that say they are of the split, numbered anew; all of them where rows name no splits."""
    if split == EVERY_SPLIT or (split is None and not column.seen):
        return corpus
    taken, notes = take_rows((row.raw for row in corpus.rows), split, default, name)
    if len(taken) == len(corpus.rows):
        return Corpus(corpus.rows, (*notes, *corpus.notes))
    kept = (corpus.rows[position] for position in taken)
    return Corpus(RowTable.of((row.raw, row.where) for row in kept), (*notes, *corpus.notes))


def _inside(folder: Path, found: Walk, subset: str | None) -> tuple[list[PurePath], list[str]]:
    """The files in the folder that `subset` names (all without it), and a note on those outside it."""
    files = [file for file in found.files if subset is None or subset in file.parts[:-1]]
    if files:
        inside = set(files)
        outside = [str(file) for file in found.files if file not in inside]
        return files, [f"Only the folder {subset} is read; left out: {some(outside, 'file')}."] if outside else []
    if found.files:
        below = ", ".join(dict.fromkeys(file.parts[0] for file in found.files if len(file.parts) > 1)) or "none"
        raise InputError(f"subset={subset!r}: no folder of this name in {folder} holds files. Folders are: {below}.")
    passed = [*found.unknown, *found.beside]
    beside = f" There is only {some(passed, 'name')}." if passed else ""
    raise InputError(f"{folder}: the folder holds no file that can be read.{beside} {accepted()}")


def _all_rows(files: Mapping[PurePath, Path], column: SplitColumn) -> tuple[RowTable, list[str]]:
    """The rows of several files, each named as seen from the folder, and what was found on reading."""
    rows = RowTable()
    empty, copies, doubles = [], [], Doubles()
    packed = Counter(map(unpacked_name, files))
    contents: dict[tuple[PurePath, bytes], PurePath] = {}
    for file, path in files.items():
        before, content = len(rows), Content(path)
        if packed[unpacked_name(file)] > 1:
            first = contents.setdefault((unpacked_name(file), _digest(content)), file)
            if first != file:
                copies.append(f"{file} (as {first})")
                continue
        if not content.is_blank():
            for raw, place in column.watched(read_file(content)):
                rows.append(raw, f"{file.as_posix()}{place}")
                if len(files) > 1:
                    doubles.add(file, raw)
        if len(rows) == before:
            empty.append(str(file))
    notes = [*([f"Without a row: {some(empty, 'file')}."] if empty else [])]
    notes += [f"Packed and unpacked copies of the same content, read once: {some(copies, 'file')}."] if copies else []
    return rows, [*notes, *doubles.told()]


def _digest(content: Content) -> bytes:
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    return digest.digest()


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
