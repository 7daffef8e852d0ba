"""How long work will take still, from the speed it had over the last minutes."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MEMORY = 120.0
"""Seconds after which what was seen weighs 1/e."""
PAUSE = 60.0
"""Seconds that one report weighs at most: a machine that slept, or a disk that hung, says nothing of the speed."""
FACTOR = 3.0
"""How far from the speed known a single report may stand; one further off counts as if it stood there."""
SETTLED = 60.0
"""Seconds of work after which a speed is known."""
OTHER_WORK = 10.0
"""So many times faster than the reports around it: not the same work, but parts that were there already."""


@dataclass
class Pace:
    """The speed of work that reports its progress in uneven lumps, on a machine that has other things to do.

    The mean speed since the start, and from two minutes on one whose weights fall exponentially with age. Because of
    `FACTOR` and `PAUSE` the speed it reckons with, once settled, changes within a minute by a factor e at most upwards
    and 1.4 downwards, whatever the reports. A speed that has changed for good is met to a quarter in five minutes if it
    is a third or eight times what it was, and in twelve if it is a tenth.

    Attributes:
        clock: seconds that only grow.
    """

    clock: Callable[[], float] = time.monotonic
    _speed: float = 0.0
    _seconds: float = 0.0
    _usual: float = 0.0
    _last: float | None = field(default=None)

    def start(self) -> None:
        """The work begins now."""
        self._last = self.clock()

    def advance(self, amount: float) -> None:
        """So much was done since the last call. Reports of nothing, and what took no time, are ignored."""
        now = self.clock()
        if self._last is None:
            self._last = now
        passed = now - self._last
        if amount <= 0 or passed <= 0:
            return
        self._last = now
        rate, weight = amount / passed, min(passed, PAUSE)
        if weight > self._seconds and rate * OTHER_WORK < self._speed:
            self._seconds = 0.0
        if self._seconds >= SETTLED:
            rate = min(max(rate, self._speed / FACTOR), self._speed * FACTOR)
        elif self._speed:
            rate = min(rate, self._speed * OTHER_WORK)
        self._seconds += weight
        self._speed += max(weight / self._seconds, 1 - math.exp(-weight / MEMORY)) * (rate - self._speed)
        self._usual += (weight - self._usual) / (5 if self._usual else 1)

    def left(self, amount: float) -> float | None:
        """Seconds until `amount` more is done; None before anything was done.

        Counts down between reports, until the next is overdue: then it stands still.
        """
        if self._speed <= 0 or self._last is None:
            return None
        return max(0.0, amount / self._speed - min(self.clock() - self._last, self._usual))
