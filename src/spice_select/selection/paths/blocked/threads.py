"""Work split over threads, each with single-threaded linear algebra.

A BLAS that has worked with several threads leaves them spinning for milliseconds, on the very cores that the next step
wants. So while a selection runs BLAS gets one thread, and the pieces are cut here or in the compiled kernel.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any

from threadpoolctl import ThreadpoolController

_START_FLOPS = 1.2e6  # what a core computes while one more thread is being started
_JOIN_FLOPS = 2e5  # what it computes until one that is awake has joined in


def thread_count() -> int:
    """As many threads as `OMP_NUM_THREADS` says, else as there are cores for this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _useful_threads(flops: float) -> int:
    """How many threads to share `flops` among.

    t threads need flops/t + t·`_START_FLOPS`, as they are started one after another: least at √(flops/`_START_FLOPS`).
    """
    return max(1, min(thread_count(), int(math.sqrt(flops / _START_FLOPS))))


def crew_size(flops: float) -> int:
    """How many threads of the compiled kernel to share `flops` among: they stay awake from one call to the next."""
    return max(1, min(thread_count(), int(flops / _JOIN_FLOPS)))


def share(run: Callable[[int, int], None], count: int, flops: float) -> None:
    """Call run(a, b) so that all of 0 … count is covered, on several threads where `flops` in all are worth it."""
    pieces = min(count, _useful_threads(flops))
    if pieces < 2:
        run(0, count)
        return
    edges = [count * i // pieces for i in range(pieces + 1)]
    others = [_workers().submit(run, a, b) for a, b in pairwise(edges[1:])]
    run(0, edges[1])
    for other in others:
        other.result()


class _BlasLimit:
    """One thread for BLAS, in the whole process, while at least one selection runs in it."""

    def __init__(self) -> None:
        self._lock, self._running = threading.Lock(), 0
        self._limit: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """BLAS has one thread until the end of the block; what it had before comes back with the last block's end."""
        with self._lock:
            self._running += 1
            if self._running == 1:
                libraries = ThreadpoolController()  # anew, 1 ms: one may have been loaded since
                self._limit = libraries.limit(limits=1, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0:
                    self._limit.restore_original_limits()


single_threaded_blas = _BlasLimit().held


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="spice-select")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.cache_clear)  # a forked child has none of its parent's threads
