"""Parts that take as long as they are told to: importable, so that workers find them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spice_select.executors import Batches, Receipt, Work
from spice_select.store import FeatureBlock, PartStore


@dataclass
class Sleeps:
    """A `PartJob` without a model.

    Attributes:
        folder: of the store.
        load: seconds that opening takes.
        parts: seconds of each part.
    """

    folder: Path
    load: float
    parts: Sequence[float]

    @property
    def store(self) -> PartStore:
        return PartStore(self.folder)

    def prepare(self) -> None:
        return

    def batches(self, part: int) -> Batches:
        return [[part]]

    def is_finished(self, part: int) -> bool:
        return self.store.is_finished(part, {"row": [part]})

    def open(self) -> Work:
        time.sleep(self.load)
        return self._compute

    def _compute(self, part: int, batches: Batches | None = None, *, keep: bool = True) -> Receipt:
        began = time.perf_counter()
        time.sleep(self.parts[part])
        block = FeatureBlock(rows=np.array([part]), columns={"loss": np.zeros(1)}, finite=np.ones(1, bool))
        digest = self.store.write(part, block)
        path = self.store.path(part)
        size, took = path.stat().st_size, time.perf_counter() - began
        return Receipt(part=part, file=path.name, bytes=size, sha256=digest, rows=1, tokens=1, seconds=took)
