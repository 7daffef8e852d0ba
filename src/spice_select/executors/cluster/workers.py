"""The actors of a run: as many as there is work and room for, each named by a number."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spice_select.errors import InputError, SpiceError
from spice_select.executors.base import Batches
from spice_select.executors.cluster.actor import Computer, Post
from spice_select.executors.cluster.room import as_announced, fitting_workers, living_nodes, no_room
from spice_select.executors.settings import EngineSettings


@dataclass(eq=False)
class Worker:
    """One actor.

    Attributes:
        number: its name in sentences and logs.
        actor: Ray's handle.
        post: where it is; None while its model is not loaded.
        calls: what it was asked and has not answered, in order: it computes the first.
    """

    number: int
    actor: Any
    post: Post | None = None
    calls: list[Any] = field(default_factory=list)

    def __str__(self) -> str:
        where = "" if self.post is None else f" (process {self.post.pid} on {self.post.host})"
        return f"Worker {self.number}{where}"


@dataclass(kw_only=True)
class Crew:
    """The workers of a run.

    Attributes:
        ray: the connected module.
        job: pickled, as each worker opens it.
        need: what a worker takes, as Ray's options have it.
        folder: the run folder, for the workers' logs.
        asked: how many, and how long to wait for the first.
        versions: of the driver.
        tell: told in a sentence of a worker that cannot begin.
    """

    ray: Any
    job: bytes
    need: Mapping[str, float]
    folder: Path
    asked: EngineSettings
    versions: Mapping[str, str]
    tell: Callable[[str], None]
    _workers: dict[int, Worker] = field(default_factory=dict)
    _begun: int = 0
    _refused: int = 0
    _fitting: int = 0
    _homeless_since: float | None = None

    def __iter__(self) -> Iterator[Worker]:
        return iter([*self._workers.values()])

    def __len__(self) -> int:
        return len(self._workers)

    def recruit(self, pieces: int) -> list[Worker]:
        """Begin workers for so many pieces of work, where there is room; each has been asked to `open`.

        Raises:
            InputError: there is room for none, and `wait_for_workers` is over.
        """
        nodes = self.ray.nodes()
        self._fitting = fitting_workers(nodes, as_announced(self.need))
        self._mind_the_room(nodes)
        wanted = min(pieces, self.asked.workers or self._fitting) - self._refused
        return [self._begin() for _ in range(wanted - len(self._workers))]

    def living(self) -> set[str]:
        """Ray's names of the nodes that live, as far as the cluster knows."""
        return living_nodes(self.ray.nodes())

    def open(self, worker: Worker) -> Any:
        """Ask a worker to load its model."""
        worker.post = None
        call = worker.actor.open.remote()
        worker.calls.append(call)
        return call

    def compute(self, worker: Worker, part: int, batches: Batches | None, *, keep: bool) -> Any:
        """Ask a worker for a part."""
        call = worker.actor.compute.remote(part, batches, keep=keep)
        worker.calls.append(call)
        return call

    def refuse(self, worker: Worker, error: Exception) -> None:
        """A worker that cannot begin; the others go on. Raises `error` where no other can."""
        self.dismiss(worker)
        self._refused += 1
        at_work = any(other.post is not None for other in self)
        if not at_work and (not self._workers or self._refused >= self._fitting):
            raise error
        self.tell(f"{worker} cannot begin, and is left out: {str(error).splitlines()[0]}")

    def dismiss(self, worker: Worker) -> None:
        """End a worker for good."""
        self.ray.kill(worker.actor, no_restart=True)
        self._workers.pop(worker.number, None)

    def end(self) -> None:
        """End all."""
        for worker in self:
            self.dismiss(worker)

    def _begin(self) -> Worker:
        number, self._begun = self._begun, self._begun + 1
        kind = self.ray.remote(Computer).options(
            **self.need, max_restarts=-1, max_task_retries=0, max_concurrency=1, scheduling_strategy="SPREAD"
        )
        log = None if self.asked.gather else str(self.folder.resolve() / f"worker-{number}.log")
        threads = int(self.need["num_cpus"])
        actor = kind.remote(self.job, dict(self.versions), threads=threads, log=log, gathered=self.asked.gather)
        worker = self._workers[number] = Worker(number=number, actor=actor)
        self.open(worker)
        return worker

    def _mind_the_room(self, nodes: Any) -> None:
        now = time.monotonic()
        if self._fitting:
            self._homeless_since = None
            return
        if self._homeless_since is None:
            self._homeless_since = now
        if now - self._homeless_since >= self.asked.wait_for_workers:
            refusal = no_room(nodes, as_announced(self.need))
            if self._begun:
                raise SpiceError(f"the nodes are gone: {refusal} Finished parts are kept: run the same command again.")
            raise InputError(str(refusal))
