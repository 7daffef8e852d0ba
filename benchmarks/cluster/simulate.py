"""How long a cluster takes for parts of known lengths, by the driver's own rules: no Ray, no clock, seeded deaths."""

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Workers and what they lose.

    Attributes:
        loads: seconds until each has loaded its model.
        overhead: seconds from a part's end to the next one's beginning (a receipt's way, where none lies there).
        deaths: mean deaths of a worker an hour; the part that it was at is computed again, its model loaded again.
        seed: of the deaths.
    """

    loads: Sequence[float]
    overhead: float = 0.0
    deaths: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Forecast:
    """What comes out.

    Attributes:
        seconds: until the last part is there.
        efficiency: seconds of parts over seconds of workers, from the beginning to the last part.
    """

    seconds: float
    efficiency: float


def forecast(parts: Sequence[float], fleet: Fleet) -> Forecast:
    """Hand out parts of so many seconds each, in order, to whichever worker is free first.

    A worker's window of two hides the way of a receipt, so it costs nothing but at the end.
    """
    draw, waiting = random.Random(fleet.seed), deque(parts)
    free = [(load, number) for number, load in enumerate(fleet.loads)]
    heapq.heapify(free)
    last = 0.0
    while waiting:
        now, number = heapq.heappop(free)
        part = waiting.popleft()
        lives = draw.expovariate(fleet.deaths / 3600) if fleet.deaths else float("inf")
        if lives < part:
            waiting.append(part)
            heapq.heappush(free, (now + lives + fleet.loads[number], number))
            continue
        end = now + part
        last = max(last, end)
        heapq.heappush(free, (end, number))
    last += fleet.overhead
    return Forecast(seconds=last, efficiency=sum(parts) / (last * len(fleet.loads)))
