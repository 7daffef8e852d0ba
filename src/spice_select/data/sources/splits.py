"""Which split the files of a folder belong to, by the names of files and folders, and which files are taken.

The names are those that ``datasets`` looks for: `train`, `test`, `validation` and their synonyms, as a word of a file's
name (`train-00000-of-00002.parquet`, `gsm8k_test.jsonl`, `val2017.jsonl`) or of a folder's (`train/0000.jsonl`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from spice_select.data.sources.bytes import CODECS
from spice_select.data.sources.kinds import BY_EXTENSION
from spice_select.errors import InputError, nearest
from spice_select.settings.counted import counted

EVERY_SPLIT = "all"
"""The name that asks for every split."""

_KINDS = {
    "train": ("train", "training"),
    "validation": ("validation", "validate", "valid", "val", "development", "dev"),
    "test": ("test", "testing", "eval", "evaluation", "heldout", "holdout"),
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}
_PIECE = re.compile(r"-\d+-of-\d+(-[0-9a-f]+)?$")
_COUNTER = re.compile(r"(part|shard|chunk|split|file|v|p|s)?\d+|of|part|partial|shard|chunk|set")

_WEAK, _PLAIN, _EXACT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Label:
    """A split's name, as found.

    Attributes:
        name: as files are told apart by it (``train``, ``train_sft``).
        kind: ``train``, ``validation`` or ``test``.
        weight: how surely it is one: the whole name, a word at an end of it, or a word within.
    """

    name: str
    kind: str
    weight: int


def kind_of(name: str) -> str | None:
    """``train``, ``validation`` or ``test`` for a split's plain name or a synonym of it, None for other words."""
    return _KIND_OF.get(name.lower())


def label_of(file: PurePath) -> Label | None:
    """The split that a file (relative to its corpus) belongs to: by its name or a folder's, whichever is surer."""
    own = _label(_PIECE.sub("", _bare(file.name.lower())))
    above = [_label(part.lower()) for part in reversed(file.parts[:-1])]
    found = [label for label in (own, *above) if label is not None]
    return max(found, key=lambda label: label.weight, default=None)  # the first of the heaviest, the innermost


def _bare(name: str) -> str:
    """A file's name without the extensions that say its kind and how it is packed."""
    stem, dot, last = name.rpartition(".")
    return _bare(stem) if dot and f".{last}" in (*BY_EXTENSION, *CODECS, ".txt") else name


def _label(name: str) -> Label | None:
    words = [word for word in re.split(r"[-_.= ]+", re.sub(r"held[-_ ]out|hold[-_ ]out", "heldout", name)) if word]
    words = [_unnumbered(word) for word in words if not _COUNTER.fullmatch(word)]
    place = next((i for i in (0, len(words) - 1, *range(len(words))) if words and words[i] in _KIND_OF), None)
    if place is None:
        return None
    kind = _KIND_OF[words[place]]
    if len(words) == 1:
        return Label(words[0], kind, _EXACT)
    if place == 0:  # train_sft and train_gen are two splits
        return Label("_".join(words), kind, _PLAIN)
    return Label(words[place], kind, _PLAIN if place == len(words) - 1 else _WEAK)


def _unnumbered(word: str) -> str:
    """The split's name in `test1`, `val2017` or `testset`; any other word as it is."""
    bare = word.strip("0123456789")
    return next((name for name in (bare, bare.removesuffix("set")) if name in _KIND_OF), word)


def take_split(
    files: Sequence[PurePath], split: str | None, folder: str, default: str = "train"
) -> tuple[list[PurePath], tuple[str, ...]]:
    """The files of one split, in order, and what was left out, in words.

    Args:
        files: relative to the folder.
        split: the one asked for: a split's name, its synonym, or else how names of files or folders begin, or
            `EVERY_SPLIT`; None takes all files where splits are not told apart, else `default`.
        folder: its name, for messages.
        default: ``train``, or ``test`` for rows to judge by.

    Raises:
        InputError: the split is not there, or splits are named and none of them is the default.
    """
    labels = split_labels(files)
    if split == EVERY_SPLIT:
        return list(files), ()
    wanted = _asked(files, labels, split, folder) if split is not None else _default(files, labels, folder, default)
    taken = [file for file in files if file in wanted]
    others: dict[str, list[PurePath]] = {}
    for file in files:
        if file not in wanted:
            others.setdefault(labels[file].name if file in labels else "files of no split", []).append(file)
    used = list(dict.fromkeys(labels[file].name for file in taken if file in labels))
    notes = left_out(
        " and ".join(used) or split or "", {name: f"{_count(rest)}, e.g. {rest[0]}" for name, rest in others.items()}
    )
    return taken, notes or (_together(used, labels, default) if split is None else ())


def _together(used: Sequence[str], labels: Mapping[PurePath, Label], default: str) -> tuple[str, ...]:
    """The note where everything is read though names speak of several splits, or of another one."""
    if len(used) > 1:
        return (f"The splits {' and '.join(used)} are read together. One of them is chosen with --split.",)
    return only(used[0], default) if used and all(label.kind != default for label in labels.values()) else ()


def only(name: str, default: str) -> tuple[str, ...]:
    """The note on a split that is read because there is no other, where it is not the default."""
    return () if name == default else (f"The split {name} is read, the only one there is.",)


def split_labels(files: Sequence[PurePath]) -> dict[PurePath, Label]:
    """The split of every file that belongs to one; a word within a name counts only beside files to train on."""
    found = {file: label for file in files if (label := label_of(file)) is not None}
    if any(label.kind == "train" for label in found.values()):
        return found
    return {file: label for file, label in found.items() if label.weight > _WEAK}


def _asked(files: Sequence[PurePath], labels: Mapping[PurePath, Label], split: str, folder: str) -> set[PurePath]:
    asked = split.lower()
    by_name = {file for file, label in labels.items() if label.name == asked}
    by_kind = {file for file, label in labels.items() if label.kind == kind_of(asked)}
    called = {file for file in files if split in (_bare(file.name), *file.parts)}
    by_start = {file for file in files if any(part.startswith(split) for part in file.parts)}
    found = by_name or by_kind or called or by_start
    if not found:
        known = list(dict.fromkeys(label.name for label in labels.values()))
        there = f"There are the splits {', '.join(known)}" if known else f"There are {_few(map(str, files))}"
        raise InputError(
            f"split={split!r}: no file or folder in {folder} has a name that says so. {there}."
            f"{nearest(asked, known)} Every file is read with --split {EVERY_SPLIT}."
        )
    return found


def _default(files: Sequence[PurePath], labels: Mapping[PurePath, Label], folder: str, default: str) -> set[PurePath]:
    names = list(dict.fromkeys(label.name for label in labels.values()))
    unnamed = [file for file in files if file not in labels]
    fitting = list(dict.fromkeys(label.name for label in labels.values() if label.kind == default))
    if len(fitting) == len(names) or (len(names) == 1 and not unnamed):
        return set(files)  # there is nothing to keep apart
    if default in fitting or len(fitting) == 1:
        chosen = default if default in fitting else fitting[0]
        return {file for file, label in labels.items() if label.name == chosen}
    counts = ", ".join(f"{name} ({_count([1 for f in labels if labels[f].name == name])})" for name in names)
    beside = f"; {some(map(str, unnamed), 'file')} of none" if unnamed else ""
    first = (fitting or names)[0]
    every_kind = f", {' and '.join(fitting)} with --split {default}" if len(fitting) > 1 else ""
    raise InputError(
        f"{folder}: its files are of the splits {counts}{beside}, and it is not said which to read. Choose one with "
        f"--split {first} (split={first!r}){every_kind}, or read every file with --split {EVERY_SPLIT}."
    )


def _count(things: Sequence[Any]) -> str:
    return counted(len(things), "file")


def left_out(used: str, others: Mapping[str, str]) -> tuple[str, ...]:
    """The note on the splits that are not read: their names, each with what it holds."""
    if not others:
        return ()
    rest = "; ".join(f"{name} ({what})" for name, what in others.items())
    return (
        f"The split {used} is read; left out: {rest}. Another is chosen with --split, all with --split {EVERY_SPLIT}.",
    )


def some(names: Iterable[str], what: str) -> str:
    """`3 files: a, b, …`: how many there are and the first few."""
    known = list(names)
    return f"{counted(len(known), what)}: {_few(known)}"


def _few(names: Iterable[str], most: int = 5) -> str:
    known = list(names)
    return ", ".join(known[:most]) + (", …" if len(known) > most else "")
