"""The port of an executor, and the one that does everything itself.

Parts depend on nothing but the examples: whoever has the corpus, the model and the store can compute any of them, in
any order, twice if need be, and the files are the same. A cluster engine needs no more than this.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

Work = Callable[[int], None]
"""Computes one part and puts it into the store."""


class Executor(Protocol):
    """Sees to it that parts get finished."""

    def run(
        self,
        parts: Sequence[int],
        open_work: Callable[[], Work],
        *,
        finished: Callable[[int], bool],
        seen: Callable[[int], None] = lambda part: None,
    ) -> None:
        """Return when every part is in the store.

        Args:
            parts: numbers of the parts that are missing; ascending, not empty.
            open_work: loads the model and gives the function that computes a part; called at most once.
            finished: whether a part is in the store by now, whole and the one that is meant; costs a read of it.
            seen: told of each part that another process has finished.
        """
        ...


class LocalExecutor:
    """One part after the other, in this process."""

    def run(
        self,
        parts: Sequence[int],
        open_work: Callable[[], Work],
        *,
        finished: Callable[[int], bool],
        seen: Callable[[int], None] = lambda part: None,
    ) -> None:
        """See `Executor.run`."""
        work = open_work()
        for part in parts:
            work(part)
