"""The files of a folder that hold rows, in order, and everything beside them that is passed over.

Links are followed. A link that leads back into a folder it lies in ends there; a file that is reached by several names
is read by the first; a link to nothing that is named like data is refused, for a part of the corpus is missing.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePath

from spice_select.data.sources.caches import snapshot_of
from spice_select.data.sources.kinds import BY_EXTENSION, extension, is_data
from spice_select.data.sources.splits import some
from spice_select.errors import InputError

_SIDE_FILES = (
    "dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "cache-*.arrow", "tmp*.arrow",
    "*.lock", "*.incomplete", "*.crc", "README*", "LICENSE*", "lost+found",
)  # fmt: skip
"""What hubs, caches and data sets lay beside the rows (whatever its extension)."""

Known = tuple[int, ...]
"""What a file or folder is, by whatever name it is reached. Size and time guard against systems without true inodes."""


@dataclass
class Walk:
    """What a folder holds.

    Attributes:
        files: those with rows, in the order of their names: as seen from the folder, and where they lie (which is
            elsewhere for a snapshot in a cache).
        unknown: names of files that hold no rows that are known.
        beside: names of hidden files and folders, and of what hubs, caches and data sets lay beside the rows.
        again: names that lead to a file or folder which is read by another name.
        loops: links that lead back into a folder they lie in.
        cached: whether the hub's cache was come upon, whose snapshots a revision chooses from.
        notes: what was decided on the way (which snapshot of a cache).
    """

    files: dict[PurePath, Path] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    cached: bool = False
    notes: list[str] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """What was not used, a sentence each."""
        yield from self.notes
        passed = [some(self.unknown, "file")] if self.unknown else []
        passed += [some(self.beside, "hidden or side file")] if self.beside else []
        if passed:
            yield f"Passed over, as no rows: {'; '.join(passed)}."
        if self.again:
            yield f"Other names of what is read already (links), read once: {some(self.again, 'name')}."
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
    walker = _Walker(revision)
    walker.enter(folder, PurePath(), ())
    for path, relative, above in walker.links:  # the list grows as links lead to links
        walker.meet(path, relative, above)
    found = walker.found
    found.files = dict(sorted(found.files.items(), key=lambda item: item[0].parts))
    return found


class _Walker:
    """Meets every name once; links last, so that a file is known by its own name where it has one in the folder."""

    def __init__(self, revision: str | None) -> None:
        self.found = Walk()
        self.links: list[tuple[Path, PurePath, tuple[Known, ...]]] = []
        self._revision = revision
        self._seen: set[Known] = set()

    def enter(self, folder: Path, below: PurePath, above: tuple[Known, ...]) -> None:
        with _explained(folder):
            snapshot = snapshot_of(folder, self._revision)
        if snapshot is not None:
            folder, notes = snapshot
            self.found.cached = True
            self.found.notes += notes
        above = (*above, _known(folder.stat()))
        for name in _names(folder):
            if (folder / name).is_symlink():
                self.links.append((folder / name, below / name, above))
            else:
                self.meet(folder / name, below / name, above)

    def meet(self, path: Path, relative: PurePath, above: tuple[Known, ...]) -> None:
        state = _state(path)
        if state is None:
            self.found.unknown.append(f"{relative} (a link to nothing)")
            return
        is_folder, known = stat.S_ISDIR(state.st_mode), _known(state)
        if _is_side(path.name):
            self.found.beside.append(f"{relative}{'/' if is_folder else ''}")
        elif known in above:
            self.found.loops.append(str(relative))
        elif not is_folder and not (stat.S_ISREG(state.st_mode) and is_data(path)):
            self.found.unknown.append(str(relative))  # a pipe or socket, too: opening one would wait for ever
        elif known in self._seen:
            self.found.again.append(str(relative))
        else:
            self._seen.add(known)
            if is_folder:
                self.enter(path, relative, above)
            else:
                self.found.files[relative] = path


def _names(folder: Path) -> Sequence[str]:
    with _explained(folder):
        return sorted(os.listdir(folder))


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
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
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
