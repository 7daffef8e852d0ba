"""The rows of a run on the actors of a Ray cluster, to be chosen there: each maps its own from a file of the run."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.executors.cluster.connection import connected
from spice_select.executors.cluster.raised import raised_by
from spice_select.executors.cluster.room import cores_as_here, fitting_workers
from spice_select.executors.cluster.versions import own_versions, refuse_other_versions
from spice_select.executors.settings import EngineSettings
from spice_select.methods import Candidates, Choice
from spice_select.numerics.divided import DividedRows
from spice_select.selection.partitioned import Shard, ShardLostError, SpreadFeatures
from spice_select.selection.partitioned.messages import ShardPort
from spice_select.selection.partitioned.spread import evenly
from spice_select.store import atomic

_ROWS = "rows-of-shards.npy"


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardPlace:
    """Where a shard finds its rows `first` … of a ``.npy``, and what they are divided by; see `DividedRows`."""

    file: Path
    first: int
    end: int
    divisors: NDArray[np.float64] | None
    factors: NDArray[np.float64] | None

    def open(self) -> Shard:
        """Map them. Raises InputError where the file is not seen."""
        if not self.file.is_file():
            raise InputError(
                f"{self.file} is not seen on a node that has rows to choose from: --select-shards needs a run folder "
                "at the same path on every node. Give --out on a shared disk, or leave --select-shards out."
            )
        rows = np.load(self.file, mmap_mode="r", allow_pickle=False)[self.first : self.end]
        return Shard(rows if self.divisors is None else DividedRows(rows, self.divisors, self.factors), self.first)


class ShardHost:
    """What runs in an actor's process: a shard, opened when it is first asked. Ray wraps it."""

    def __init__(self, place: ShardPlace, versions: Mapping[str, str]) -> None:
        self._place, self._versions = place, versions
        self._shard: Shard | None = None

    def answer(self, method: str, *question: Any) -> Any:
        """What a method of the shard says. Raises InputError for other versions than the driver's."""
        if self._shard is None:
            refuse_other_versions(self._versions, "a node", would="choose by something else")
            self._shard = self._place.open()
        return getattr(self._shard, method)(*question)


class FarShard:
    """A `ShardPort` whose methods are asked of an actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor = ray, actor

    def __getattr__(self, method: str) -> Any:
        def ask(*question: Any) -> Any:
            try:
                return self._ray.get(self._actor.answer.remote(method, *question))
            except self._ray.exceptions.RayTaskError as error:
                raise raised_by("a shard", error) from None
            except self._ray.exceptions.RayError as error:
                raise ShardLostError from error

        return ask


@contextlib.contextmanager
def on_shards(candidates: Candidates, folder: Path, shards: int | None, asked: EngineSettings) -> Iterator[Candidates]:
    """The candidates with their gradients on so many actors too; as they are where none were asked for.

    What an actor maps is written into the run folder and is gone afterwards, as are the actors.

    Raises:
        InputError: no cluster, no room on it, fewer rows than shards, or a node that does not see the run folder.
    """
    if shards is None:
        yield candidates
        return
    edges, array = evenly(len(candidates), shards), candidates.matrix.array
    divided = isinstance(array, DividedRows)
    path = (folder / _ROWS).resolve()
    with connected(asked) as ray, contextlib.ExitStack() as leaving:
        need = cores_as_here()
        fitting = fitting_workers(ray.nodes(), {"CPU": need["num_cpus"]})
        if fitting < shards:
            raise InputError(
                f"--select-shards {shards}: each takes {need['num_cpus']:g} CPU, as many as this process has threads, "
                f"and {fitting} fit on the cluster. Ask for fewer, start another node, or give fewer threads "
                "(OMP_NUM_THREADS). Gradients are kept: the same command goes on from there."
            )
        leaving.callback(path.unlink, missing_ok=True)
        with atomic(path) as aside, aside.open("wb") as stream:
            np.save(stream, array.source if divided else array, allow_pickle=False)
        places = [
            ShardPlace(
                file=path,
                first=first,
                end=end,
                divisors=array.divisors[first:end] if divided else None,
                factors=None if not divided or array.factors is None else array.factors[first:end],
            )
            for first, end in edges
        ]
        kind, versions = ray.remote(ShardHost).options(**need, scheduling_strategy="SPREAD"), own_versions()

        def opened(number: int) -> ShardPort:
            actor = kind.remote(places[number], versions)
            leaving.callback(ray.kill, actor, no_restart=True)
            return cast(ShardPort, FarShard(ray, actor))

        yield candidates.spread(SpreadFeatures(opened, shards, at_once=True))


def shard_notes(candidates: Candidates, choice: Choice) -> tuple[str, ...]:
    """What a reader of the result should know of a choice over shards; nothing of any other."""
    if not isinstance(candidates.apart, SpreadFeatures):
        return ()
    lost, stats = candidates.apart.lost, choice.stats
    again = f" Lost and opened again: {lost}." if lost else ""
    return (
        f"Chosen over rows on {len(candidates.apart.shards)} shards of a Ray cluster, in {stats.rounds:,} rounds; "
        f"{stats.rows_sent:,} rows travelled. The picks are those of one process.{again}",
    )
