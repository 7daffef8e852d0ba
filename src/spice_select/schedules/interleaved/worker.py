"""A process that helps with a run whose proxy moves: it does what the first process orders, at the state it orders it.

`python -m spice_select.schedules.interleaved.worker RUN --rank 1 --world 4 --device cuda:1`; `spice select` starts one
of these for each further GPU, and each process of torchrun but the first is one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spice_select.data.records import Sample
from spice_select.executors import ProcessPlace, SharedExecutor
from spice_select.features.proxy import Proxy
from spice_select.run.folder import IDENTITY, MANIFEST
from spice_select.run.origin import origin_of
from spice_select.run.settings import SelectSettings
from spice_select.run.worker import found_again, run_worker, same_identity, wait_for
from spice_select.schedules.interleaved.bench import PROXY, Bench, GradientWork, PieceWork
from spice_select.schedules.interleaved.hands import board_of, follower
from spice_select.schedules.interleaved.moving import Checkpoints
from spice_select.schedules.interleaved.opening import open_trainer
from spice_select.schedules.interleaved.orders import Board, GradientOrder, Order
from spice_select.schedules.interleaved.steps import ProxyTrainer


class Follower:
    """The proxy as the first process left it after so many updates.

    Args:
        settings, proxy: of the run.
        checkpoints: where its states are.
    """

    def __init__(self, settings: SelectSettings, proxy: Proxy, checkpoints: Checkpoints) -> None:
        self._settings, self._proxy, self._checkpoints = settings, proxy, checkpoints
        self._trainer: ProxyTrainer | None = None
        self._cycle = 0

    def can_be_at(self, cycle: int) -> bool:
        """Whether that state is there: the first always is, of the others the last two."""
        return cycle in (0, self._cycle) or self._checkpoints.newest(cycle) == cycle

    def at(self, cycle: int) -> ProxyTrainer:
        """The proxy after so many updates; it is not trained here."""
        if self._trainer is None or cycle < self._cycle:
            self._trainer, self._cycle = open_trainer(self._settings, self._proxy, total_steps=1), 0
        if cycle != self._cycle:
            tensors, log = self._checkpoints.load(cycle)
            self._trainer.restore(tensors, len(log))
            self._cycle = cycle
        return self._trainer


def follow(
    folder: Path,
    identity: Mapping[str, Any],
    examples: Sequence[Sample],
    settings: SelectSettings,
    proxy: Proxy,
    place: ProcessPlace,
) -> None:
    """Do this process's share of every order, until the run is finished.

    Raises:
        InputError: the run there is another.
        SpiceError: the first process ended before it was done.
    """
    wait_for(lambda: (folder / IDENTITY).is_file(), folder)
    same_identity(folder, identity)
    known = {example.row: example for example in examples}
    proxy_there = Follower(settings, proxy, Checkpoints(folder / PROXY, origin_of(identity)))
    bench = Bench(folder, identity, known, settings, proxy_there.at)
    board, shared, done = board_of(folder), follower(folder, place), -1
    with shared.present():
        while True:
            wait_for(lambda: due(board, done, proxy_there) is not None or _ended(folder), folder)  # noqa: B023
            found = due(board, done, proxy_there)
            if found is not None:
                done, order = found
                _carry_out(order, shared, bench)
            elif _ended(folder):
                return


def _ended(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def due(board: Board, done: int, proxy: Follower) -> tuple[int, Order] | None:
    """The newest order and its number, if it is not done and the proxy's state for it is there.

    One whose state is not there may be an earlier process's, which the first one takes down, or a network file system
    shows the order before the state: it is looked at again.
    """
    newest = board.newest()
    return newest if newest is not None and newest[0] > done and proxy.can_be_at(newest[1].cycle) else None


def _carry_out(order: Order, shared: SharedExecutor, bench: Bench) -> None:
    if isinstance(order, GradientOrder):
        shared.share(range(len(order.parts)), GradientWork(order=order, bench=bench))
    else:
        shared.share(range(len(order.pieces)), PieceWork(order=order, bench=bench))


def help_moving(folder: Path, place: ProcessPlace, *, device: str = "auto") -> None:
    """`follow`, from the run folder alone. Raises InputError as `found_again`, and as it does."""
    found = found_again(folder, device)
    follow(folder, found.identity, found.examples, found.settings, found.proxy, place)


if __name__ == "__main__":
    run_worker("python -m spice_select.schedules.interleaved.worker", __doc__, help_moving)
