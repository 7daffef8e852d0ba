"""The contract of an executor, as a suite for yours: `check_executor` raises AssertionError naming what is broken."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spice_select.executors import Batches, Executor, Receipt, Work
from spice_select.store import FeatureBlock, PartStore


@dataclass
class CountingJob:
    """A `PartJob` whose parts are one row each, and which remembers what was asked of it. Pickles without its memory.

    Attributes:
        folder: of the store.
        opened: how often `open` was called here.
        computed: the parts that were computed here, in order.
    """

    folder: Path
    opened: int = 0
    computed: list[int] = field(default_factory=list)

    @property
    def store(self) -> PartStore:
        """Where the parts go."""
        return PartStore(self.folder)

    def open(self) -> Work:
        """See `PartJob.open`."""
        self.opened += 1

        def work(part: int, batches: Batches | None = None, *, keep: bool = True) -> Receipt:
            digest = write_part(self.store, part) if keep else ""
            self.computed.append(part)
            path = self.store.path(part)
            size = path.stat().st_size if keep else 0
            return Receipt(part=part, file=path.name, bytes=size, sha256=digest, rows=1, tokens=1, seconds=0.0)

        return work

    def prepare(self) -> None:
        """See `PartJob.prepare`."""

    def batches(self, part: int) -> Batches:
        """See `PartJob.batches`."""
        return [[part]]

    def is_finished(self, part: int) -> bool:
        """See `PartJob.is_finished`."""
        return self.store.is_finished(part)

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "opened": 0, "computed": []}


def write_part(store: PartStore, part: int) -> str:
    """A part of one row that holds its own number; its sum."""
    one = np.ones(1)
    columns = {"loss": one, "norm": one, "tokens": np.array([1]), "supervised": np.array([1])}
    features = np.full((1, 2), part, np.float32)
    return store.write(
        part, FeatureBlock(rows=np.array([part]), columns=columns, finite=np.ones(1, bool), features=features)
    )


def check_executor(make: Callable[[Path], Executor], folder: Path) -> None:
    """Try to refute what `Executor` promises of one that works alone: every part in the store, each computed once.

    Args:
        make: the executor for a folder.
        folder: an empty one to work in.

    Raises:
        AssertionError: with the promise that is broken.
    """
    job = CountingJob(folder / "parts")
    write_part(job.store, 2)
    missing = [part for part in range(5) if not job.is_finished(part)]
    make(folder).run(missing, job)
    assert all(job.is_finished(part) for part in range(5)), "a part is missing"
    assert sorted(job.computed) == missing, f"computed were {job.computed}, missing were {missing}"
    assert job.opened == 1, f"the work was opened {job.opened} times"
    sent = pickle.loads(pickle.dumps(job))  # made here
    assert sent.is_finished(4), "a job does not survive being sent"
