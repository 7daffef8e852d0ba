"""The ports of the executors: a job of many parts, and who computes them; and the executor that does it all itself.

Parts depend on nothing but the examples: whoever has the corpus, the model and the store can compute any of them, in
any order, twice if need be, and the files are the same. A cluster engine needs no more than this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from spice_select.store import PartStore

Batches = Sequence[Sequence[int]]
"""Rows by their numbers, as they are computed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a process says of a part that it has put into the store. It holds no row.

    Attributes:
        part: its number.
        file: name of its file in the store.
        bytes: length of that file.
        sha256: of that file, hex.
        rows: how many it holds.
        tokens: of those rows.
        seconds: that computing and writing took.
    """

    part: int
    file: str
    bytes: int
    sha256: str
    rows: int
    tokens: int
    seconds: float


class Work(Protocol):
    """Computes one part and puts it into the store."""

    def __call__(self, part: int, batches: Batches | None = None, *, keep: bool = True) -> Receipt:
        """Compute a part.

        Args:
            part: its number.
            batches: those of its rows that are computed, and together with which; as planned, if not given. A row that
                is in none of them is marked as one that kills.
            keep: whether it is written; if not, this is a trial of whether the rows can be computed.
        """
        ...


class PartJob(Protocol):
    """Parts to be computed. Whoever sends a job to another process pickles it; there it opens what it needs itself."""

    @property
    def store(self) -> PartStore:
        """Where the parts lie."""
        ...

    def prepare(self) -> None:
        """Make what all parts are made with (a warm-up), unless it is there: once, before processes share the work."""
        ...

    def open(self) -> Work:
        """Load the model and give the function that computes a part; called at most once in a process."""
        ...

    def is_finished(self, part: int) -> bool:
        """Whether a part is in the store by now, whole and the one that is meant. Costs a read of it."""
        ...

    def batches(self, part: int) -> Batches:
        """The rows of a part as they are planned to be computed together."""
        ...


class Executor(Protocol):
    """Sees to it that parts get finished. Knows nothing of what they hold."""

    def run(self, parts: Sequence[int], job: PartJob, *, seen: Callable[[int], None] = lambda part: None) -> None:
        """Return when every part is in the store.

        Args:
            parts: numbers of the parts that are missing; ascending, not empty.
            job: opens the work, and knows which parts are finished.
            seen: told of each part that another process has finished.
        """
        ...


class LocalExecutor:
    """One part after the other, in this process."""

    def run(self, parts: Sequence[int], job: PartJob, *, seen: Callable[[int], None] = lambda part: None) -> None:
        """See `Executor.run`."""
        work = job.open()
        for part in parts:
            work(part)
