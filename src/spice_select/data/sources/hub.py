"""Data sets of the ``datasets`` library: saved to a folder, or on the hub."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spice_select.data.sources.kinds import Placed
from spice_select.data.sources.splits import EVERY_SPLIT, kind_of, left_out, only
from spice_select.data.sources.values import TOGETHER, rows_of_batches
from spice_select.errors import InputError, nearest
from spice_select.settings.counted import counted


def is_saved_dataset(folder: Path) -> bool:
    """True for what ``Dataset.save_to_disk`` and ``DatasetDict.save_to_disk`` write."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def read_saved(folder: Path, split: str | None, default: str) -> tuple[Iterator[Placed], tuple[str, ...]]:
    """The rows of a saved data set, of one of its splits if it has several, and what was left out."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # pyarrow, json and datasets each raise their own; the cause is kept
        raise InputError(f"{folder}: not a readable data set: {_first_line(error)}. Save it again.") from error
    return _chosen(loaded, split, default, str(folder))


def read_hub(
    name: str, split: str | None, default: str, subset: str | None, revision: str | None
) -> tuple[Iterator[Placed], tuple[str, ...]]:
    """The rows of a hub data set, and what was left out. Reaches the network."""
    import datasets

    try:
        loaded = datasets.load_dataset(name, name=subset, revision=revision)
    except Exception as error:  # network, missing data set, missing configuration: told by the library's own words
        raise InputError(
            f"{name}: the hub data set could not be loaded: {_first_line(error)}. "
            "Check the id, the subset, the revision and the connection, or download it and give the folder."
        ) from error
    return _chosen(loaded, split, default, name)


def _chosen(loaded: Any, split: str | None, default: str, name: str) -> tuple[Iterator[Placed], tuple[str, ...]]:
    if not isinstance(loaded, dict):
        if split not in (None, EVERY_SPLIT) and _called([str(loaded.split or "")], split) is None:
            raise InputError(f"split={split!r}: {name} has no splits to choose from. Leave split out.")
        return _rows(loaded, name), ()
    if split == EVERY_SPLIT:
        return itertools.chain.from_iterable(_rows(part, name, f" {title}") for title, part in loaded.items()), ()
    wanted = _called(loaded, split or default) or split or (next(iter(loaded)) if len(loaded) == 1 else None)
    known = ", ".join(loaded)
    if wanted is None:
        raise InputError(
            f"{name}: has several splits and none is called {default}. Choose one with --split ({known}), or all "
            f"with --split {EVERY_SPLIT}."
        )
    if wanted not in loaded:
        raise InputError(f"split={split!r}: not in {name}, which has {known}.{nearest(wanted, loaded)}")
    others = {title: counted(len(part), "row") for title, part in loaded.items() if title != wanted}
    return _rows(loaded[wanted], name), left_out(wanted, others) or only(wanted, default)


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
