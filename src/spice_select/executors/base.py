"""The ports of the executors: a job of many parts, and who computes them; and the executor that does it all itself.

Parts depend on nothing but the examples: whoever has the corpus, the model and the store can compute any of them, in
any order, twice if need be, and the files are the same. A cluster engine needs no more than this.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

Work = Callable[[int], None]
"""Computes one part and puts it into the store."""


class PartJob(Protocol):
    """Parts to be computed. Whoever sends a job to another process pickles it; there it opens what it needs itself."""

    def open(self) -> Work:
        """Load the model and give the function that computes a part; called at most once in a process."""
        ...

    def is_finished(self, part: int) -> bool:
        """Whether a part is in the store by now, whole and the one that is meant. Costs a read of it."""
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
