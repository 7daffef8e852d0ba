"""Data sets of the ``datasets`` library: saved to a folder, or on the hub."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.data.sources.column import COLUMN
from spice_select.data.sources.kinds import Placed
from spice_select.data.sources.splits import EVERY_SPLIT, kind_of, left_out, only
from spice_select.data.sources.values import TOGETHER, rows_of_batches
from spice_select.errors import InputError, nearest
from spice_select.settings.counted import counted


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is read of a data set.

    Attributes:
        rows: each with its place in the set.
        notes: on what was left out by the names of its splits.
        split: what a column `split` of the rows is to be asked for; all where the splits' names tell.
        default: what is taken of that column where `split` does not say.
    """

    rows: Iterator[Placed]
    notes: tuple[str, ...] = ()
    split: str | None = EVERY_SPLIT
    default: str = ""


def is_saved_dataset(folder: Path) -> bool:
    """True for what ``Dataset.save_to_disk`` and ``DatasetDict.save_to_disk`` write."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def read_saved(folder: Path, split: str | None, default: str) -> Chosen:
    """The rows of a saved data set, of one of its splits if it has several."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # pyarrow, json and datasets each raise their own; the cause is kept
        raise InputError(f"{folder}: not a readable data set: {_first_line(error)}. Save it again.") from error
    return _chosen(loaded, split, default, str(folder))


def read_hub(name: str, split: str | None, default: str, subset: str | None, revision: str | None) -> Chosen:
    """The rows of a hub data set, of one of its splits if it has several. Reaches the network."""
    import datasets

    try:
        loaded = datasets.load_dataset(name, name=subset, revision=revision)
    except Exception as error:  # network, missing data set, missing configuration: told by the library's own words
        raise InputError(
            f"{name}: the hub data set could not be loaded: {_first_line(error)}. "
            "Check the id, the subset, the revision and the connection, or download it and give the folder."
        ) from error
    return _chosen(loaded, split, default, name)


def _chosen(loaded: Any, split: str | None, default: str, name: str) -> Chosen:
    if split == EVERY_SPLIT:
        titles = {f" {title}": part for title, part in loaded.items()} if isinstance(loaded, dict) else {"": loaded}
        return Chosen(itertools.chain.from_iterable(_rows(part, name, title) for title, part in titles.items()))
    parts = loaded if isinstance(loaded, dict) else {str(loaded.split or ""): loaded}
    known = ", ".join(title for title in parts if title)
    wanted = _called(parts, split or default) or split
    if len(parts) == 1 and (wanted is None or wanted in parts or COLUMN in next(iter(parts.values())).column_names):
        return _whole(*next(iter(parts.items())), split, default, name)
    if wanted is None:
        raise InputError(
            f"{name}: has several splits and none is called {default}. Choose one with --split ({known}), or all "
            f"with --split {EVERY_SPLIT}."
        )
    if wanted not in parts:
        there = f"not in {name}, which has {known}.{nearest(wanted, parts)}"
        none = f"{name} has no splits to choose from. Leave split out."
        raise InputError(f"split={split!r}: {there if known else none}")
    others = {title: counted(len(part), "row") for title, part in parts.items() if title != wanted}
    return Chosen(_rows(parts[wanted], name), left_out(wanted, others))


def _whole(title: str, dataset: Any, split: str | None, default: str, name: str) -> Chosen:
    """The rows of a set with one split at most, whose name tells nothing apart: `datasets` calls it train unasked.

    So a column of the rows may tell, as in a file.
    """
    by_name = split is None or _called([title], split) is not None
    notes = only(title, default) if title else ()
    return Chosen(_rows(dataset, name), notes, None if by_name else split, split or default)


def _called(titles: Iterable[str], split: str) -> str | None:
    """The one split of this name, else the only one with a synonym of it for a name."""
    known = list(titles)
    alike = [title for title in known if kind_of(title) is not None and kind_of(title) == kind_of(split)]
    return split if split in known else alike[0] if len(alike) == 1 else None


def _rows(dataset: Any, name: str, title: str = "") -> Iterator[Placed]:
    """The rows as they are stored: images, audio and the like as bytes or paths, for so they came."""
    return rows_of_batches(dataset.with_format("arrow").iter(TOGETHER), name, title)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
