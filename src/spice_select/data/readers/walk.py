"""The files of a folder that hold rows, in order, and everything beside them that is passed over.

Links are followed. A link that leads back into a folder it lies in ends there; a file that is reached by several names
is read by the first; a link to nothing that is named like data is refused, for a part of the corpus is missing.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePath

from spice_select.data.readers.caches import snapshot_of
from spice_select.data.readers.kinds import BY_EXTENSION, extension, is_data
from spice_select.data.readers.splits import some
from spice_select.errors import InputError

_SIDE_FILES = (
    "dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "cache-*.arrow", "tmp*.arrow",
    "*.lock", "*.incomplete", "*.crc", "README*", "LICENSE*",
)  # fmt: skip
"""What hubs, caches and data sets lay beside the rows (whatever its extension)."""

Known = tuple[int, int]
"""Device and inode: what a file or folder is, by whatever name it is reached."""


@dataclass
class Walk:
    """What a folder holds.

    Attributes:
        files: those with rows, in the order of their names: as seen from the folder, and where they lie (which is
            elsewhere for a snapshot in a cache).
        passed: names of what is passed over; folders end in a slash.
        again: names that lead to a file which is read by another name.
        loops: links that lead back into a folder they lie in.
        cached: whether the hub's cache was come upon, whose snapshots a revision chooses from.
        notes: what was decided on the way (which snapshot of a cache).
    """

    files: dict[PurePath, Path] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    cached: bool = False
    notes: list[str] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """What was not used, a sentence each."""
        yield from self.notes
        if self.passed:
            yield f"Passed over, for they hold no rows that are known: {some(self.passed, 'name')}."
        if self.again:
            yield f"The same file under another name, read once: {some(self.again, 'name')}."
        if self.loops:
            yield f"Not followed, for they lead back into a folder they lie in: {some(self.loops, 'link')}."


def walk(folder: Path, revision: str | None = None) -> Walk:
    """Look through a folder and all below it. Costs a look at each name, and the head of files without an extension.

    Args:
        folder: where the corpus lies.
        revision: of a hub cache, the snapshot to read.

    Raises:
        InputError: a folder that cannot be entered, a link to nothing, rows packed in a way that is not supported, a
            cache with several snapshots.
    """
    found = Walk()
    _look(folder, PurePath(), revision, (), set(), found)
    return found


def _look(
    folder: Path, below: PurePath, revision: str | None, above: tuple[Known, ...], seen: set[Known], found: Walk
) -> None:
    snapshot = snapshot_of(folder, revision)
    if snapshot is not None:
        folder, notes = snapshot
        found.cached = True
        found.notes += notes
    above = (*above, _known(folder.stat()))
    for name in _names(folder):
        path, relative = folder / name, below / name
        state = _state(path)
        if state is None:
            found.passed.append(f"{relative} (a link to nothing)")
        elif _is_side(name) or not (stat.S_ISDIR(state.st_mode) or stat.S_ISREG(state.st_mode)):
            found.passed.append(f"{relative}{'/' if stat.S_ISDIR(state.st_mode) else ''}")
        elif stat.S_ISDIR(state.st_mode):
            if _known(state) in above:
                found.loops.append(str(relative))
            else:
                _look(path, relative, revision, above, seen, found)
        elif not is_data(path):
            found.passed.append(str(relative))
        elif _known(state) in seen:
            found.again.append(str(relative))
        else:
            seen.add(_known(state))
            found.files[relative] = path


def _names(folder: Path) -> Sequence[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(
            f"{folder}: the folder cannot be read: {error.strerror or error}. Change its permissions (chmod +rx), or "
            "give the files that are meant."
        ) from error


def _state(path: Path) -> os.stat_result | None:
    """What a name leads to; None for a link to nothing. Raises InputError where rows would be lost by it."""
    try:
        return path.stat()
    except OSError as error:
        if not path.is_symlink():
            raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error
        if extension(path) in BY_EXTENSION and not _is_side(path.name):
            raise InputError(
                f"{path}: a link to {os.readlink(path)}, where nothing is that can be read. Fetch that file, or delete "
                "the link."
            ) from error
        return None


def _is_side(name: str) -> bool:
    return name.startswith((".", "_")) or any(fnmatch(name, pattern) for pattern in _SIDE_FILES)


def _known(state: os.stat_result) -> Known:
    return state.st_dev, state.st_ino
