"""Who carries out what a moving proxy needs: this process alone, or several that share the run folder.

The order of the work, the cut of a step and the tree its pieces are summed over do not depend on who does it, so a run
shared by any number of processes of one kind of device ends in the same bytes.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from spice_select.data.records import Sample
from spice_select.executors import EngineSettings, ProcessPlace, SharedExecutor, shared_among
from spice_select.schedules.interleaved.bench import PROXY, Bench, GradientWork, PieceWork
from spice_select.schedules.interleaved.orders import Board, UpdateOrder
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepPiece

_HELPING = "spice_select.schedules.interleaved.worker:help_moving"


class Hands(Protocol):
    """Those who compute."""

    def gradients(self, work: GradientWork, seen: Callable[[int], None]) -> None:
        """Return when every part is stored; `seen` is told of those that another process has stored."""
        ...

    def pieces(
        self, trainer: ProxyTrainer, bench: Bench, cycle: int, rows: Sequence[Sequence[Sample]], supervised: int
    ) -> Iterable[StepPiece]:
        """What the pieces of the first step after a cycle contribute, in order."""
        ...


class Alone:
    """This process, one thing after the other."""

    def gradients(self, work: GradientWork, seen: Callable[[int], None]) -> None:
        """See `Hands`."""
        compute = work.open()
        for place in range(len(work.order.parts)):
            compute(place)

    def pieces(
        self, trainer: ProxyTrainer, bench: Bench, cycle: int, rows: Sequence[Sequence[Sample]], supervised: int
    ) -> Iterable[StepPiece]:
        """See `Hands`."""
        return trainer.own_pieces(rows, supervised)


class Foreman:
    """The first of several processes: it hangs up orders, does its share, and sees to what is left.

    Args:
        shared: its place among them.
        board: where orders hang.
    """

    def __init__(self, shared: SharedExecutor, board: Board) -> None:
        self._shared, self._board = shared, board

    def gradients(self, work: GradientWork, seen: Callable[[int], None]) -> None:
        """See `Hands`."""
        self._board.put(work.order)
        self._shared.share(range(len(work.order.parts)), work, seen=seen)

    def pieces(
        self, trainer: ProxyTrainer, bench: Bench, cycle: int, rows: Sequence[Sequence[Sample]], supervised: int
    ) -> Iterator[StepPiece]:
        """See `Hands`. The files are gone when the last piece was taken."""
        numbers = [[example.row for example in piece] for piece in rows]
        work = PieceWork(order=UpdateOrder(cycle=cycle, supervised=supervised, pieces=numbers), bench=bench)
        self._board.put(work.order)
        self._shared.share(range(len(numbers)), work)
        yield from (work.read(place) for place in range(len(numbers)))
        shutil.rmtree(work.folder, ignore_errors=True)


@contextlib.contextmanager
def hands_for(
    run: Path,
    *,
    device: str,
    engine: EngineSettings = EngineSettings(),  # noqa: B008 - it is frozen
    tell: Callable[[str], None] = lambda sentence: None,
) -> Iterator[Hands]:
    """Those who compute, present until the end: actors, processes of torchrun, one for each GPU, or this one alone.

    Args:
        run: the run folder.
        device: as the settings have it; for actors the kind that the run is computed on.
        engine: who was asked for.
        tell: told in a sentence when a process is gone.
    """
    meeting = meeting_of(run)
    with shared_among(run, meeting, device=device, engine=engine, helping=_HELPING, tell=tell) as shared:
        if shared is None:
            yield Alone()
            return
        try:
            yield Foreman(shared, board_of(run))
        finally:
            shutil.rmtree(board_of(run).folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        meeting.rmdir()


def board_of(run: Path) -> Board:
    """Where the orders of a run hang."""
    return Board(run / PROXY / "orders")


def meeting_of(run: Path) -> Path:
    """Where the processes of a run leave their marks."""
    return run / PROXY / "processes"


def follower(run: Path, place: ProcessPlace) -> SharedExecutor:
    """One of the other processes."""
    return SharedExecutor(folder=meeting_of(run), place=place)
