"""Several GPUs of one machine: a process for each, started from here."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spice_select.executors.base import Batches, PartJob, Work
from spice_select.executors.places import ProcessPlace
from spice_select.executors.shared import SharedExecutor
from spice_select.store import PartStore

FEATURE_WORKER = "spice_select.run.worker"
"""What is run as ``python -m`` for each further GPU."""


@dataclass(frozen=True, kw_only=True)
class DeviceExecutor:
    """This process computes on the first device and starts `python -m spice_select.run.worker` for each other one.

    A worker learns everything from the run folder: its config names corpus and model, its identity says whether what
    the worker finds is the same.

    Attributes:
        folder: the run folder.
        meeting: where the processes leave their marks; see `SharedExecutor`.
        devices: e.g. ``("cuda:0", "cuda:1")``; this process's own first.
        tell: told in a sentence when a worker is gone.
        worker: the command that starts one; the run folder and its place follow.
    """

    folder: Path
    meeting: Path
    devices: Sequence[str]
    tell: Callable[[str], None] = lambda sentence: None
    worker: Sequence[str] = (sys.executable, "-m", FEATURE_WORKER)

    def run(self, parts: Sequence[int], job: PartJob, *, seen: Callable[[int], None] = lambda part: None) -> None:
        """See `Executor.run`. The workers are ended on leaving, however that happens."""
        work = _Opened(job, job.open())  # first, so that a warm-up is on disk before the workers look for it
        with self.present() as shared:
            shared.share(parts, work, seen=seen)

    @contextlib.contextmanager
    def present(self) -> Iterator[SharedExecutor]:
        """This process among its workers, for as many jobs as there are; they are ended on leaving."""
        with self._workers() as workers:
            shared = SharedExecutor(
                folder=self.meeting,
                place=ProcessPlace(rank=0, world=len(self.devices)),
                tell=self.tell,
                ended=lambda rank: workers[rank - 1].poll() is not None,
            )
            with shared.present():
                yield shared

    @contextlib.contextmanager
    def _workers(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        with contextlib.ExitStack() as stack:
            workers: list[subprocess.Popen[bytes]] = []
            for rank, device in list(enumerate(self.devices))[1:]:
                log = stack.enter_context((self.folder / f"worker-{rank}.log").open("w"))
                place = ["--rank", str(rank), "--world", str(len(self.devices)), "--device", device]
                command = [*self.worker, str(self.folder), *place]
                workers.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
            try:
                yield workers
            finally:
                for worker in workers:
                    worker.terminate()
                for worker in workers:
                    worker.wait()


@dataclass(frozen=True)
class _Opened:
    """A job that has been opened already."""

    job: PartJob
    work: Work

    @property
    def store(self) -> PartStore:
        return self.job.store

    def prepare(self) -> None:
        return

    def open(self) -> Work:
        return self.work

    def is_finished(self, part: int) -> bool:
        return self.job.is_finished(part)

    def batches(self, part: int) -> Batches:
        return self.job.batches(part)
