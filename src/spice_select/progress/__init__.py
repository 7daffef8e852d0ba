"""How long work reports on itself: the library tells, whoever runs it shows."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

Advance = Callable[[int], None]
"""Called with the amount of work just done."""


class Progress(Protocol):
    """A display of work in progress."""

    def task(self, name: str, total: int, unit: str, *, done: int = 0) -> contextlib.AbstractContextManager[Advance]:
        """Begin a task of `total` units, `done` of them already there (resumed, so not counted in the speed)."""
        ...

    def note(self, sentence: str) -> None:
        """Say something once."""
        ...


class Silent:
    """Shows nothing: the default in Python."""

    @contextlib.contextmanager
    def task(self, name: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        yield lambda amount: None

    def note(self, sentence: str) -> None:
        return
