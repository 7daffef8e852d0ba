"""A worker whose parts are small and slow, so that a short run has many that can be killed."""

import os
import signal
import time
from typing import Any

from spice_select.executors.cluster.actor import Answer, Computer, Post

PART_TOKENS = 120


class SmallParts(Computer):
    """`Computer`, with the parts of the tests."""

    def open(self) -> Post:
        from spice_select.features import stage

        stage.PART_TOKENS = PART_TOKENS
        return super().open()

    def compute(self, part: int, batches: Any, *, keep: bool) -> Answer:
        time.sleep(float(os.environ.get("SPICE_TEST_SLOW", "0.3")))
        return super().compute(part, batches, keep=keep)


def small_parts() -> None:
    """Called in the driver: its workers are these. It heeds Ctrl-C, also where tests run in a shell's background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from spice_select.executors.cluster import workers

    workers.Computer = SmallParts
