"""How long work will take still, from the speed it had lately."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MEMORY = 12.0
"""Seconds after which what was seen weighs 1/e: long beside a batch, short beside a minute."""


@dataclass
class Pace:
    """The speed of work that reports its progress in uneven lumps.

    Amounts and seconds are both summed with weights that fall exponentially with age, and the speed is their ratio: so
    a lump counts with the time it took, and after a minute at a new speed all but 1 % of the weight is the new one's.

    Attributes:
        clock: seconds that only grow.
        memory: time constant of the weights, in seconds.
    """

    clock: Callable[[], float] = time.monotonic
    memory: float = MEMORY
    _amount: float = 0.0
    _seconds: float = 0.0
    _last: float | None = field(default=None)

    def start(self) -> None:
        """The work begins now."""
        self._last = self.clock()

    def advance(self, amount: float) -> None:
        """So much was done since the last call. Reports of nothing are ignored."""
        if amount <= 0:
            return
        now = self.clock()
        if self._last is None:
            self._last = now
        passed = now - self._last
        kept = math.exp(-passed / self.memory)
        # the new lump is spread evenly over the time it took: the mean weight over that time
        fresh = self.memory / passed * (1.0 - kept) if passed > 0 else 1.0
        self._amount = self._amount * kept + amount * fresh
        self._seconds = self._seconds * kept + passed * fresh
        self._last = now

    def left(self, amount: float) -> float | None:
        """Seconds until `amount` more is done, less those since the last report; None before anything was done."""
        if self._amount <= 0 or self._seconds <= 0 or self._last is None:
            return None
        return max(0.0, amount * self._seconds / self._amount - (self.clock() - self._last))
