"""How long a cluster takes for parts of known lengths: no Ray, no clock."""

import heapq
from collections.abc import Sequence


def forecast(parts: Sequence[float], loads: Sequence[float]) -> float:
    """Seconds until the last part is there, where each goes to the worker that is free first, in order.

    The way of receipts is left out: a worker's second call hides it. So is what a driver spends on each part.

    Args:
        parts: seconds that each takes.
        loads: seconds until each worker has loaded its model.
    """
    free = [*loads]
    heapq.heapify(free)
    last = 0.0
    for part in parts:
        end = heapq.heappop(free) + part
        last = max(last, end)
        heapq.heappush(free, end)
    return last
