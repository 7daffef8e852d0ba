"""Actors that follow the first process of a run through its folder, as the processes of torchrun do."""

import contextlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.executors.cluster.actor import begin_like_driver
from spice_select.executors.cluster.connection import connected
from spice_select.executors.cluster.raised import raised_by
from spice_select.executors.cluster.room import need_of, room_on
from spice_select.executors.cluster.versions import own_versions
from spice_select.executors.places import ProcessPlace
from spice_select.executors.settings import EngineSettings
from spice_select.executors.shared import SharedExecutor
from spice_select.settings.counted import counted

_BEGINNING = 60.0
"""Seconds that an actor may take to begin before it is left out, where there is room for it."""
_RESTARTS = 3
"""How often an actor that dies is started anew: what it was at is computed by the first process meanwhile."""


class Helper:
    """What runs in an actor's process. Ray wraps it.

    Args:
        versions: of the driver.
        threads: of torch.
        log: what it prints goes to this file.
    """

    def __init__(self, versions: Mapping[str, str], threads: int, log: Path) -> None:
        self._versions, self._threads, self._log = versions, threads, log

    def begin(self) -> None:
        """Return when it is there. Raises InputError for other versions than the driver's, or another disk."""
        if not self._log.parent.is_dir():
            raise InputError(
                f"{self._log.parent} is not seen on a node: with --schedule interleaved actors follow the run through "
                "its folder. Give --out on a disk that every node sees, or fewer nodes."
            )
        begin_like_driver(self._versions, self._threads, self._log)

    def follow(self, helping: str, folder: Path, place: ProcessPlace, device: str) -> None:
        """Help until the run is finished. `helping` names a function, as ``module:name``."""
        self.begin()  # the process may be a new one
        pkgutil.resolve_name(helping)(folder, place, device=device)


@dataclass(frozen=True, kw_only=True)
class HelpingActors:
    """This process is the first of a run; actors of a Ray cluster are the others.

    Attributes:
        folder: the run folder, which every node must see.
        meeting: where the processes leave their marks; see `SharedExecutor`.
        device: kind of device that the run is computed on: ``cpu``, ``cuda``.
        asked: which cluster, how many actors.
        helping: what an actor does, as ``module:name`` of a function; see `shared_among`.
        tell: told in a sentence who cannot help, or is gone.
    """

    folder: Path
    meeting: Path
    device: str
    asked: EngineSettings
    helping: str
    tell: Callable[[str], None] = lambda sentence: None

    @contextlib.contextmanager
    def present(self) -> Iterator[SharedExecutor]:
        """This process among its actors, for as many jobs as there are; they are ended on leaving.

        Raises:
            InputError: no cluster, none that an actor fits on, or actors that would compute something else.
        """
        with connected(self.asked) as ray, contextlib.ExitStack() as leaving:
            actors = self._begun(ray, leaving)
            folder, world = self.folder.resolve(), len(actors) + 1
            self.tell(f"{counted(len(actors), 'worker')} of the Ray cluster and this process share the run.")
            calls = {
                rank: actor.follow.remote(self.helping, folder, ProcessPlace(rank=rank, world=world), self.device)
                for rank, actor in enumerate(actors, 1)
            }
            shared = SharedExecutor(
                folder=self.meeting,
                place=ProcessPlace(rank=0, world=world),
                tell=self.tell,
                ended=lambda rank: self._has_ended(ray, rank, calls),
            )
            with shared.present():
                yield shared

    def _has_ended(self, ray: Any, rank: int, calls: dict[int, Any]) -> bool:
        """Whether an actor helps no more; if it failed, it is told why, once."""
        if rank not in calls:
            return True
        if not ray.wait([calls[rank]], timeout=0)[0]:
            return False
        try:
            ray.get(calls.pop(rank))
        except ray.exceptions.RayError as error:
            self.tell(f"Worker {rank - 1} helps no more: {str(raised_by('it', error)).splitlines()[0]}")
        return True

    def _begun(self, ray: Any, leaving: contextlib.ExitStack) -> list[Any]:
        """As many actors as were asked for and have begun."""
        asked = self._asked(ray, leaving)
        ready, late = ray.wait([*asked], num_returns=len(asked), timeout=_BEGINNING)
        there, refusal = [], None
        for call in ready:
            try:
                ray.get(call)
                there.append(asked[call])
            except ray.exceptions.RayError as error:
                refusal = raised_by("a worker", error)
                self.tell(f"A worker cannot begin, and is left out: {str(refusal).splitlines()[0]}")
        if late:
            self.tell(f"{len(late)} of {len(asked)} workers have not begun in {_BEGINNING:.0f} s, and are left out.")
        if not there:
            raise refusal or InputError(
                f"the cluster gave no worker within {_BEGINNING:.0f} s, though {len(asked)} would fit: others are "
                "using it. Wait for them, or leave --engine ray out."
            )
        return there

    def _asked(self, ray: Any, leaving: contextlib.ExitStack) -> dict[Any, Any]:
        """Actors that were asked to begin, by what they will answer."""
        need, workers = need_of(self.device), self.asked.workers
        fitting = room_on(ray, need, wait=self.asked.wait_for_workers)
        if workers is not None and fitting < workers:
            self.tell(f"--workers {workers}: {fitting} fit on the cluster, and begin.")
        kind = ray.remote(Helper).options(
            **need, max_restarts=_RESTARTS, max_task_retries=_RESTARTS, scheduling_strategy="SPREAD"
        )
        asked = dict[Any, Any]()
        for number in range(min(fitting, workers or fitting)):
            log = self.folder.resolve() / f"worker-{number}.log"
            actor = kind.remote(own_versions(), int(need["num_cpus"]), log)
            leaving.callback(ray.kill, actor, no_restart=True)
            asked[actor.begin.remote()] = actor
        return asked
