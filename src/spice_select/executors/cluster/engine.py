"""The executor of a Ray cluster: settings in, finished parts out."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spice_select.executors.base import PartJob
from spice_select.executors.cluster.connection import connected
from spice_select.executors.cluster.driver import Driver
from spice_select.executors.cluster.ledger import RunLedger
from spice_select.executors.cluster.pieces import Pieces
from spice_select.executors.cluster.receipts import Receipts
from spice_select.executors.cluster.room import need_of
from spice_select.executors.cluster.versions import own_versions
from spice_select.executors.cluster.workers import Crew
from spice_select.executors.settings import EngineSettings


@dataclass(frozen=True, kw_only=True)
class RayExecutor:
    """Actors that hold the model; the driver, which is this process, hands out parts and writes down what is done.

    A worker learns everything from the run folder, so a call carries a number. The driver loads no model, but makes a
    warm-up where that is due.

    Attributes:
        folder: the run folder.
        device: kind of device that the run is computed on: ``cpu``, ``cuda``.
        asked: which cluster, how many workers.
        tell: told in a sentence what goes wrong.
        versions: what workers must agree to.
        tick: seconds without news after which the driver looks around.
        settles: seconds until a file that was written on another machine is seen on this one: what network file systems
            remember of a name that was not there.
    """

    folder: Path
    device: str
    asked: EngineSettings
    tell: Callable[[str], None] = lambda sentence: None
    versions: Mapping[str, str] = field(default_factory=own_versions)
    tick: float = 10.0
    settles: float = 60.0

    def run(self, parts: Sequence[int], job: PartJob, *, seen: Callable[[int], None] = lambda part: None) -> None:
        """See `Executor.run`. Actors are ended on leaving, however that happens.

        Raises:
            InputError: no cluster, none that a worker fits on, or workers that would compute something else.
            SpiceError: a worker's own fault, with its traceback; or workers die whatever they are given.
        """
        job.prepare()
        with connected(self.asked) as ray:
            ledger = RunLedger(self.folder)
            crew = Crew(
                ray=ray,
                job=pickle.dumps(job),
                need=need_of(self.device),
                folder=self.folder,
                asked=self.asked,
                versions=self.versions,
                tell=self.tell,
            )
            try:
                Driver(
                    ray=ray,
                    crew=crew,
                    pieces=Pieces(parts, job.batches, self.tell),
                    receipts=Receipts(job=job, ledger=ledger, tell=self.tell, seen=seen, settles=self.settles),
                    ledger=ledger,
                    tell=self.tell,
                    tick=self.tick,
                ).run()
            finally:
                crew.end()
