"""Jobs that need no model, and what can happen to a worker: importable, so that workers find it."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spice_select.executors import Batches, Receipt, Work
from spice_select.executors.cluster.ledger import read_ledger
from spice_select.store import FeatureBlock, PartStore

Event = Callable[[int, list[int]], None]
"""Called in the worker with the part and the rows that are about to be computed."""


@dataclass
class RowsJob:
    """A `PartJob` of four rows a part, in two batches: a row's vector holds its number.

    Attributes:
        folder: of the store.
        seconds: that a part takes.
        events: what happens before a part is computed.
        after: what happens once it is written.
    """

    folder: Path
    seconds: float = 0.0
    events: Sequence[Event] = ()
    after: Sequence[Event] = ()

    @property
    def store(self) -> PartStore:
        return PartStore(self.folder)

    def prepare(self) -> None:
        return

    def batches(self, part: int) -> Batches:
        return [[4 * part, 4 * part + 1], [4 * part + 2, 4 * part + 3]]

    def is_finished(self, part: int) -> bool:
        return self.store.is_finished(part, {"row": range(4 * part, 4 * part + 4)})

    def open(self) -> Work:
        return self._compute

    def _compute(self, part: int, batches: Batches | None = None, *, keep: bool = True) -> Receipt:
        rows = [row for batch in (self.batches(part) if batches is None else batches) for row in batch]
        for event in self.events:
            event(part, rows)
        time.sleep(self.seconds)
        due = np.arange(4 * part, 4 * part + 4)
        known = np.isin(due, rows)
        features = np.where(known[:, None], np.repeat(due[:, None], 3, 1), 0).astype(np.float32)
        columns = {"loss": np.where(known, due, np.nan), "pid_blind": np.zeros(4)}
        killers = frozenset(due[~known].tolist())
        block = FeatureBlock(rows=due, columns=columns, finite=known, features=features, killers=killers)
        digest = self.store.write(part, block) if keep else ""
        for event in self.after:
            event(part, rows)
        path = self.store.path(part)
        size = path.stat().st_size if path.exists() else 0
        return Receipt(part=part, file=path.name, bytes=size, sha256=digest, rows=4, tokens=4, seconds=self.seconds)


def once(mark: Path) -> bool:
    """Whether nobody has been here before, in whatever process."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@dataclass
class Dies:
    """The process is gone: by a signal, or as one that the system ends for its memory (exit code 137)."""

    mark: Path
    part: int
    by_signal: bool = True

    def __call__(self, part: int, rows: list[int]) -> None:
        if part == self.part and once(self.mark):
            if self.by_signal:
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(137)


@dataclass
class Poison:
    """A row that no process survives."""

    row: int

    def __call__(self, part: int, rows: list[int]) -> None:
        if self.row in rows:
            os._exit(1)


@dataclass
class Raises:
    """A bug, or what a person can mend."""

    part: int
    error: Exception

    def __call__(self, part: int, rows: list[int]) -> None:
        if part == self.part:
            raise self.error


@dataclass
class Truncates:
    """A disk that loses the end of what was written, so many times."""

    folder: Path
    part: int
    times: int

    def __call__(self, part: int, rows: list[int]) -> None:
        for number in range(self.times):
            if part == self.part and once(self.folder / f"truncated-{number}"):
                path = PartStore(self.folder / "parts").path(part)
                path.write_bytes(path.read_bytes()[:-7])
                return


@dataclass
class Tells:
    """Notes which process computes what, in a file."""

    path: Path

    def __call__(self, part: int, rows: list[int]) -> None:
        with self.path.open("a") as log:
            log.write(f"{part} {os.getpid()}\n")


@dataclass
class WaitsForNodes:
    """Parts from this one on begin once workers have opened on two nodes, or after two minutes."""

    folder: Path
    part: int

    def __call__(self, part: int, rows: list[int]) -> None:
        until = time.monotonic() + 120
        while part >= self.part and time.monotonic() < until:
            if len({line["node"] for line in read_ledger(self.folder) if line["event"] == "opened"}) == 2:
                return
            time.sleep(0.2)
