"""What is done to a process before its command, to break something: importable, so that a fresh process finds it."""

import functools
import resource
import sys
import time
from pathlib import Path
from typing import Any


def slow_engine(seconds: float) -> None:
    """Every batch takes this much longer."""
    from spice_select.gradients import HookEngine

    features = HookEngine.features

    def slowly(self: HookEngine, *arguments: Any) -> Any:
        time.sleep(seconds)
        return features(self, *arguments)

    HookEngine.features = slowly  # type: ignore[method-assign]


def small_files(limit: int) -> None:
    """No file may grow beyond `limit` bytes: the kernel refuses the write in the middle, as a full disk does.

    Bytecode is not written then: it would be cut off, and kept.
    """
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def full_disk(after: int) -> None:
    """The disk takes `after` bytes of a run's files and not one more (counted as each file is closed)."""
    import errno
    import importlib
    import os

    store = importlib.import_module("spice_select.store.atomic")  # the package has a function of that name
    left, flush = after, store._flush_to_disk

    def counted(path: Path) -> None:
        nonlocal left
        if path.is_file():
            size = path.stat().st_size
            if size > left:
                os.truncate(path, left)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            left -= size
        flush(path)

    store._flush_to_disk = counted


def out_of_memory(times: int | None) -> None:
    """The engine runs out of memory for the first so many batches of several rows, or always."""
    import torch

    from spice_select.gradients import HookEngine

    features, count = HookEngine.features, 0

    def cramped(self: HookEngine, *arguments: Any) -> Any:
        nonlocal count
        several = len(arguments[1]) > 1
        count += several
        if times is None or (several and count <= times):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return features(self, *arguments)

    HookEngine.features = cramped  # type: ignore[method-assign]


def clock_at(seconds: float) -> None:
    """The clock stands at another moment, and does not move."""
    time.time = lambda: seconds  # type: ignore[assignment]
    time.time_ns = lambda: int(seconds * 1e9)


with_slow_engine = functools.partial(slow_engine, 0.1)


def place(rank: int, world: int) -> None:
    """As torchrun would start it."""
    import os

    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}


def slow_place(rank: int, world: int) -> None:
    """The same, slowly, and each process notes the parts it computes in `share-RANK` of the run folder."""
    from spice_select.store import PartStore

    place(rank, world)
    slow_engine(0.05)
    write = PartStore.write

    def noted(self: PartStore, part: int, block: Any) -> None:
        write(self, part, block)
        with (self.folder.parent / f"share-{rank}").open("a") as log:
            log.write(f"{part}\n")

    PartStore.write = noted  # type: ignore[method-assign]
