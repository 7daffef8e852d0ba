"""Several processes, one store: each computes its share of the parts, and the first sees to what is left.

They say nothing to each other. A part counts as finished when its file and sum are there, and a process counts as
living while it holds the lock on its own file, which the system lets go when it ends. So a dead one is noticed at once,
and its parts are computed by the first process.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from spice_select.executors.base import PartJob
from spice_select.executors.places import ProcessPlace
from spice_select.store import hold, is_held, make_folder


class Shareable(Protocol):
    """Work in numbered pieces that processes share out among themselves; a `PartJob` is one."""

    def open(self) -> Callable[[int], object]:
        """What computes a piece and puts it where all see it."""
        ...

    def is_finished(self, part: int) -> bool:
        """Whether a piece is there."""
        ...


@dataclass(frozen=True, kw_only=True)
class SharedExecutor:
    """One of several processes.

    Attributes:
        folder: where they leave their marks, the same for all: that of the parts.
        place: which of them this one is.
        tell: told in a sentence when a process is gone.
        ended: whether a process is known to have ended, by whoever started it.
        poll: seconds between two looks at what is missing.
        patience: seconds without a newly finished part after which processes that have not begun, or whose life
            cannot be told (a file system without locks), are given up.
    """

    folder: Path
    place: ProcessPlace
    tell: Callable[[str], None] = lambda sentence: None
    ended: Callable[[int], bool] = lambda rank: False
    poll: float = 0.2
    patience: float = 900.0
    _gone: set[int] = field(default_factory=set)

    def run(self, parts: Sequence[int], job: PartJob, *, seen: Callable[[int], None] = lambda part: None) -> None:
        """See `Executor.run`, and `share`."""
        with self.present():
            self.share(parts, job, seen=seen)

    def share(self, parts: Sequence[int], job: "Shareable", *, seen: Callable[[int], None] = lambda part: None) -> None:
        """This process's share: every `world`-th part; process 0 returns when all are finished, the others before.

        Only within `present`, which may last for many jobs.
        """
        work = job.open()
        for part in parts:
            if self._owner(part) == self.place.rank and not job.is_finished(part):
                work(part)
        if self.place.rank == 0:
            self._see_to([part for part in parts if self._owner(part) != 0], work, job.is_finished, seen)

    def _owner(self, part: int) -> int:
        return part % self.place.world

    def _see_to(
        self,
        parts: Sequence[int],
        work: Callable[[int], object],
        is_finished: Callable[[int], bool],
        seen: Callable[[int], None],
    ) -> None:
        missing, last = list(parts), time.monotonic()
        while missing:
            finished = [part for part in missing if is_finished(part)]
            for part in finished:
                missing.remove(part)
                seen(part)
            if finished:
                last = time.monotonic()
                continue
            orphan = next((part for part in missing if self._is_gone(self._owner(part), since=last)), None)
            if orphan is None:
                time.sleep(self.poll)
            elif not is_finished(orphan):  # it may have been its owner's last deed
                work(orphan)
                missing.remove(orphan)
                last = time.monotonic()

    def _is_gone(self, rank: int, *, since: float) -> bool:
        living = False if self.ended(rank) else _is_living(self._file(rank))
        if living is None and time.monotonic() - since < self.patience:
            return False  # not begun yet
        if not living and rank not in self._gone:
            self._gone.add(rank)
            self.tell(f"Process {rank} is gone with parts unfinished: they are computed here.")
        return not living

    def _file(self, rank: int) -> Path:
        return self.folder / f"process-{rank}.lock"

    @contextlib.contextmanager
    def present(self) -> Iterator["SharedExecutor"]:
        """Hold this process's lock; its file stays, free, which tells the first process that this one has ended."""
        make_folder(self.folder)
        path = self._file(self.place.rank)
        if self.place.rank == 0:
            self._forget(_is_living)
        with path.open("w") as lock:
            hold(lock, wait=True)  # a file system without locks: `patience` decides
            lock.write("begun\n")
            lock.flush()
            yield self
        if self.place.rank == 0:
            self._forget(lambda path: False)

    def _forget(self, needed: Callable[[Path], bool | None]) -> None:
        """Remove the processes' files: at first those of an earlier run, lest one yet to begin be taken for dead."""
        for path in self.folder.glob("process-*.lock"):
            if needed(path) is False:
                with contextlib.suppress(PermissionError):  # Windows, and its process has not quite ended
                    path.unlink(missing_ok=True)


def _is_living(path: Path) -> bool | None:
    """Whether a process is at work, by its file; None where it has not begun, or there are no locks.

    It writes to its file once it holds it: one that is seen empty and free is no dead process's.
    """
    begun = path.is_file() and path.stat().st_size > 0
    return is_held(path) if begun else None
