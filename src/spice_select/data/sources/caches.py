"""The folders in which the hub's libraries keep what they fetched: several states of one data set beside each other.

``hub/datasets--ORG--NAME`` holds ``blobs``, ``refs`` and ``snapshots/REVISION``, each a whole copy by links;
``datasets/ORG___NAME/CONFIGURATION/VERSION/HASH`` holds tables as prepared, each folder a whole copy.
"""

import filecmp
from collections.abc import Iterable, Sequence
from pathlib import Path

from spice_select.data.sources.kinds import BY_EXTENSION, extension
from spice_select.errors import InputError


def snapshot_of(folder: Path, revision: str | None) -> tuple[Path, tuple[str, ...]] | None:
    """The one snapshot to read of a data set in the hub's cache, and what is left out; None for other folders.

    Args:
        folder: any folder.
        revision: the snapshot asked for: a branch or tag in ``refs``, a commit or its beginning.

    Raises:
        InputError: the cache is of a model, or of several data sets; it holds several snapshots, and neither
            `revision` nor ``refs/main`` says which; the one that is said is not there.
    """
    _refuse_many(folder)
    home = folder.parent if folder.name == "snapshots" else folder
    if not (home / "snapshots").is_dir() or not ((home / "blobs").is_dir() or (home / "refs").is_dir()):
        return None
    if home.name.startswith(("models--", "spaces--")):
        raise InputError(f"{home}: the cache of a {home.name.split('s--')[0]}, not of a data set. Give a data set.")
    there = sorted(entry.name for entry in (home / "snapshots").iterdir() if entry.is_dir())
    chosen = _revision(home, there, revision)
    left = [name for name in there if name != chosen]
    notes = [f"The snapshot {chosen} is read"]
    if left:
        notes.append(f"left out: {', '.join(left)}. Another is chosen with --revision")
    said = _commit(home, revision or "main")
    if said is not None and said != chosen:
        notes.append(f"refs/{revision or 'main'} says {said}, which is not there")
    return home / "snapshots" / chosen, ("; ".join(notes) + ".",) if len(notes) > 1 else ()


def _refuse_many(folder: Path) -> None:
    kept = sorted(entry.name for entry in folder.glob("*--*--*") if (entry / "snapshots").is_dir())
    sets = [name for name in kept if name.startswith("datasets--")]
    if len(kept) > 1:
        given = f"Give one of them: {', '.join(sets[:5])}." if sets else "None of them is a data set."
        raise InputError(f"{folder}: a cache of {len(kept)} repositories of the hub. {given}")


def _revision(home: Path, there: Sequence[str], revision: str | None) -> str:
    wanted = revision or "main"
    commit = _commit(home, wanted) or wanted
    found = [name for name in there if name == commit] or [name for name in there if name.startswith(commit)]
    if len(found) == 1:
        return found[0]
    if revision is None and there and all(_same_rows(home, there[0], name) for name in there):
        return there[0]
    said = f"revision={revision!r}: not one of them" if revision else "nothing says which of them is meant"
    raise InputError(
        f"{home}: the cache holds {len(there)} snapshots ({', '.join(there) or 'none'}), and {said}. Choose one with "
        "--revision, or give its folder."
    )


def _commit(home: Path, reference: str) -> str | None:
    """The commit that a branch or tag stood at when it was fetched; None where the cache knows no such name."""
    path = home / "refs" / reference
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def _same_rows(home: Path, one: str, other: str) -> bool:
    """Whether two snapshots hold the same files of rows, by name and content (links to one blob are not opened)."""
    files, others = _files(home / "snapshots" / one), _files(home / "snapshots" / other)
    return files.keys() == others.keys() and all(
        files[name].samefile(others[name]) or filecmp.cmp(files[name], others[name], shallow=False) for name in files
    )


def _files(snapshot: Path) -> dict[str, Path]:
    known = (path for path in snapshot.rglob("*") if extension(path) in BY_EXTENSION and path.is_file())
    return {str(path.relative_to(snapshot)): path for path in known}


def refuse_prepared_twice(folder: Path, files: Iterable[Path]) -> None:
    """Raise where tables lie in several folders that ``datasets`` prepared, each a whole copy of a data set."""
    homes = dict.fromkeys(file.parent for file in files if file.suffix == ".arrow")
    prepared = [home for home in homes if _is_prepared(home)]
    if len(prepared) > 1:
        raise InputError(
            f"{folder}: holds {len(prepared)} prepared copies of data sets, each whole: "
            f"{', '.join(map(str, prepared[:5]))}. Give one of these folders."
        )


def _is_prepared(folder: Path) -> bool:
    return (folder / "dataset_info.json").is_file() and not (folder / "state.json").is_file()
