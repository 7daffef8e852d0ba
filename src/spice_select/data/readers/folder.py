"""Data sets of the ``datasets`` library: saved to a folder, or on the hub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spice_select.errors import InputError, nearest


def is_saved_dataset(folder: Path) -> bool:
    """True for what ``Dataset.save_to_disk`` and ``DatasetDict.save_to_disk`` write."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def read_saved(folder: Path, split: str | None) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a saved data set, of one of its splits if it has several."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # pyarrow, json and datasets each raise their own; the cause is kept
        raise InputError(f"{folder}: not a readable data set: {_first_line(error)}. Save it again.") from error
    yield from _rows(_one_split(loaded, split, str(folder)), folder.name)


def read_hub(
    name: str, split: str | None, subset: str | None, revision: str | None
) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a hub data set. Reaches the network."""
    import datasets

    try:
        loaded = datasets.load_dataset(name, name=subset, revision=revision)
    except Exception as error:  # network, missing data set, missing configuration: told by the library's own words
        raise InputError(
            f"{name}: the hub data set could not be loaded: {_first_line(error)}. "
            "Check the id, the subset, the revision and the connection, or download it and give the folder."
        ) from error
    yield from _rows(_one_split(loaded, split, name), name)


def _one_split(loaded: Any, split: str | None, name: str) -> Any:
    if not isinstance(loaded, dict):
        if split is not None and str(loaded.split or "") != split:
            raise InputError(f"split={split!r}: {name} has no splits to choose from. Leave split out.")
        return loaded
    wanted = split or ("train" if "train" in loaded else None) or (next(iter(loaded)) if len(loaded) == 1 else None)
    known = ", ".join(loaded)
    if wanted is None:
        raise InputError(f"{name}: has several splits and none is called train. Choose one with split: {known}.")
    if wanted not in loaded:
        raise InputError(f"split={split!r}: not in {name}, which has {known}.{nearest(wanted, loaded)}")
    return loaded[wanted]


def _rows(dataset: Any, name: str) -> Iterator[tuple[dict[str, Any], str]]:
    for number, row in enumerate(dataset):
        yield dict(row), f"{name} row {number}"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
