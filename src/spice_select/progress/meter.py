"""How far a run has come, told to whoever shows it."""

import time
from collections.abc import Callable

EVERY = 0.1  # seconds between two calls: often enough for a bar, too seldom to cost anything


class Meter:
    """Calls `advance` with the amount of the budget used since the last call, now and then and at the end.

    Only what exceeds the most so far counts: a run that goes over its first picks again moves nothing.
    """

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._reached, self._told, self._when = 0, 0, time.monotonic()

    def reached(self, amount: float) -> None:
        """So much of the budget is used now."""
        self._reached = max(self._reached, int(amount))
        if time.monotonic() - self._when >= EVERY:
            self.close()

    def close(self) -> None:
        """Tell what has not been told."""
        if self._reached > self._told:
            self._advance(self._reached - self._told)
        self._told, self._when = self._reached, time.monotonic()

    def again(self) -> "Meter":
        """A fresh one for another run."""
        return Meter(self._advance)
