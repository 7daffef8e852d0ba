"""What runs in a worker's process: the model, loaded once, and parts on demand. Ray wraps it; this knows nothing of it.

Its construction does nothing that can fail, for a failed constructor is lost on whoever restarts the actor. `open` does
all that, and is called again after each restart.
"""

import os
import pickle
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spice_select.executors.base import Batches, PartJob, Receipt, Work
from spice_select.executors.cluster.versions import refuse_other_versions
from spice_select.store import sum_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where a worker is.

    Attributes:
        host: name of its machine.
        node: Ray's name of the node.
        pid: its process.
    """

    host: str
    node: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a worker has done.

    Attributes:
        receipt: of the part.
        content: the part's bytes, where the driver is to write them.
    """

    receipt: Receipt
    content: bytes | None = None


class Computer:
    """A worker.

    Args:
        job: pickled: the run's address.
        versions: of the driver.
        threads: of torch.
        log: what it prints goes to this file; None: where Ray puts it.
        gathered: whether parts are returned instead of kept.
    """

    def __init__(
        self, job: bytes, versions: Mapping[str, str], *, threads: int, log: str | None, gathered: bool
    ) -> None:
        self._job, self._versions, self._threads = job, versions, threads
        self._log, self._gathered = log, gathered
        self._opened: tuple[PartJob, Work] | None = None

    def open(self) -> Post:
        """Load the model, unless that is done.

        Raises:
            InputError: versions, corpus or model are not the driver's.
        """
        import ray

        begin_like_driver(self._versions, self._threads, None if self._log is None else Path(self._log))
        if self._opened is None:
            job: PartJob = pickle.loads(self._job)  # the driver's, over Ray's own connection
            self._opened = job, job.open()
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(self._threads)
        return Post(host=platform.node(), node=ray.get_runtime_context().get_node_id(), pid=os.getpid())

    def compute(self, part: int, batches: Batches | None, *, keep: bool) -> Answer:
        """One part, or some of its rows; see `Work`."""
        assert self._opened is not None, "the driver opens a worker before it gives it parts"
        job, work = self._opened
        receipt = work(part, batches, keep=keep)
        if not (self._gathered and keep):
            return Answer(receipt=receipt)
        path = job.store.path(part)
        content = path.read_bytes()
        for file in (sum_path(path), path):
            file.unlink()
        return Answer(receipt=receipt, content=content)


def begin_like_driver(versions: Mapping[str, str], threads: int, log: Path | None) -> None:
    """Be a process that computes what the driver would: its versions and threads. What is printed goes to `log`.

    Raises:
        InputError: versions are not the driver's.
    """
    refuse_other_versions(versions, platform.node(), would="compute something else")
    if log is not None:
        _print_to(log)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is loaded
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _print_to(path: Path) -> None:
    """All that this process prints from here on, and what its libraries do, in a file of the run."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
