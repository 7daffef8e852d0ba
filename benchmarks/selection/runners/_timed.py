"""What every runner shares: arguments, the clock, peak memory, and one JSON line out.

A runner is run by its own interpreter: `python RUNNER features.npy k alpha out.json [options]`. The clock starts with
the float32 matrix in memory and stops with the picks known, so building a kernel matrix counts and reading the file
and importing a library do not. Peak memory is the highest resident size while selecting, less the resident size
before: it excludes the features themselves. Processor time is taken beside wall time: with one thread it is what the
wall would show on a quiet machine, whatever else runs on a shared one.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np


def resident() -> int:
    """Resident set size of this process, bytes (Linux)."""
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * 4096


class Watch(threading.Thread):
    """Samples the resident size every 5 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = resident()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.005):
            self.peak = max(self.peak, resident())

    def stop(self) -> int:
        self._over.set()
        self.join()
        return self.peak


def run(select: Callable[..., Sequence[int]], *, options: Sequence[tuple[str, str]] = ()) -> None:
    """Time `select(features, k, alpha, **options)` on the command line's matrix; `options` are (name, default)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("features", type=Path)
    parser.add_argument("k", type=int)
    parser.add_argument("alpha", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("--repeats", type=int, default=1)
    for name, default in options:
        parser.add_argument(f"--{name}", default=default)
    arguments = parser.parse_args()
    features = np.load(arguments.features)
    extra = {name: getattr(arguments, name) for name, _ in options}
    seconds, processor, peaks, notes = [], [], [], {}
    for _ in range(arguments.repeats):
        before, watch = resident(), Watch()
        watch.start()
        started, busy = time.perf_counter(), time.process_time()
        picks = select(features, arguments.k, arguments.alpha, **extra)
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - busy)
        peaks.append(watch.stop() - before)
        notes = getattr(select, "notes", {})
    result = {
        "seconds": seconds,
        "cpu_seconds": processor,
        "extra_bytes": max(peaks),
        "picks": [int(i) for i in picks],
        **notes,
    }
    arguments.out.write_text(json.dumps(result))
