"""A display of the work of one arm among many: its bars, without what each run would say of the same pool."""

import contextlib
from dataclasses import dataclass

from spice_select.progress import Advance, Progress


@dataclass(frozen=True)
class Hushed:
    """Shows the work of an arm, but says nothing: what its run notes stands in its summary."""

    shown: Progress

    def task(self, name: str, total: int, unit: str, *, done: int = 0) -> contextlib.AbstractContextManager[Advance]:
        return self.shown.task(name, total, unit, done=done)

    def note(self, sentence: str) -> None:
        return
