"""The driver: it hands out pieces, hears of them, and finds out what a silence or a death means."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from spice_select.errors import InputError, SpiceError
from spice_select.executors.cluster.actor import Answer, Post
from spice_select.executors.cluster.ledger import RunLedger
from spice_select.executors.cluster.pieces import Piece, Pieces
from spice_select.executors.cluster.raised import raised_by
from spice_select.executors.cluster.receipts import Receipts
from spice_select.executors.cluster.workers import Crew, Worker

WINDOW = 2
"""Calls that a worker has at a time: the next part lies there when it has done one."""
_SLOW, _LOST = 10, 30
"""How many times the median a part may take before that is said, and before it is given to another worker."""
_PATIENCE = 120.0
"""Seconds without a worker that has begun after which that is said."""
_LEAST_SLOW = 60.0
"""Seconds below which no part is slow."""


@dataclass(eq=False)
class _Call:
    """What a worker was asked: a piece, or None to load its model."""

    worker: Worker
    piece: Piece | None


@dataclass(kw_only=True)
class Driver:
    """One run of parts over a crew. It asks the store, through the receipts, and loads no model.

    Attributes:
        ray: the connected module.
        crew: the workers.
        pieces: what is due.
        receipts: what is finished.
        ledger: what else is seen is written there.
        tell: told in a sentence what goes wrong.
        tick: seconds without news after which it looks around.
    """

    ray: Any
    crew: Crew
    pieces: Pieces
    receipts: Receipts
    ledger: RunLedger
    tell: Callable[[str], None]
    tick: float
    _calls: dict[Any, _Call] = field(default_factory=dict)
    _late: dict[Any, Piece] = field(default_factory=dict)
    _since: dict[int, float] = field(default_factory=dict)
    _called_slow: set[int] = field(default_factory=set)
    _resting: list[Worker] = field(default_factory=list)
    _blamed: list[tuple[Piece, str]] = field(default_factory=list)
    _barren: int = 0
    _began: float | None = None
    _said_waiting: bool = False
    _looked: float = 0.0

    def run(self) -> None:
        """Return when every part is in the store; raises as `RayExecutor.run`."""
        feature = self.receipts.feature
        self.ledger.write("begun", feature=feature, parts=len(self.pieces), ray=self.ray.__version__)
        try:
            while self.pieces or self.receipts.open or self._in_hand():
                self._look_around()
                self._hand_out()
                self._hear(min(self.tick, 1.0) if self.receipts.open else self.tick)
                for piece in self.receipts.look():
                    self.pieces.put_back(piece)
            self.receipts.compare_sums()
        finally:
            self._take_what_is_there()
            odd = sorted(self.receipts.odd)
            self.ledger.write("ended", feature=feature, finished=len(self.receipts), odd=odd)

    def _in_hand(self) -> int:
        """Pieces that workers have."""
        return sum(call.piece is not None for call in self._calls.values())

    def _look_around(self) -> None:
        """Every tick, and whenever there is no worker: begin some where there is room, and mind those that hang."""
        if self.crew and time.monotonic() - self._looked < self.tick:
            return
        self._looked = time.monotonic()
        self._mind_the_beginning()
        for worker in self.crew.recruit(len(self.pieces) + self._in_hand()):
            self._calls[worker.calls[0]] = _Call(worker, None)
        for worker in self._resting:
            if worker in self.crew:
                self._calls[self.crew.open(worker)] = _Call(worker, None)
        self._resting.clear()
        self._forgive()
        self._mind_the_slow()

    def _mind_the_beginning(self) -> None:
        """Say once that nobody has begun: a large model, or a cluster that is full of others' work."""
        if self._began is None:
            self._began = self._looked
        waits = all(worker.post is None for worker in self.crew) and not len(self.receipts)
        if waits and self.crew and not self._said_waiting and self._looked - self._began > _PATIENCE:
            self._said_waiting = True
            self.tell(
                f"No worker has loaded its model for {_PATIENCE:.0f} s. Where the cluster is busy with other work they "
                "begin after it (`ray status` tells); else see worker-*.log in the run folder."
            )

    def _forgive(self) -> None:
        """A node that is gone is known to be so some ten seconds after its workers: their deaths count no longer."""
        if not self._blamed:
            return
        living = self.crew.living()
        for piece, node in self._blamed:
            piece.deaths -= node not in living
        self._blamed = [(piece, node) for piece, node in self._blamed if node in living]

    def _hand_out(self) -> None:
        """Fill the windows, first calls before second ones; end workers that nothing is left for."""
        for depth in range(1, WINDOW + 1):
            for worker in self.crew:
                if worker.post is None or len(worker.calls) >= depth:
                    continue
                if depth > 1 and len(self.pieces) < len(self.crew):
                    continue  # the last ones are for those that would idle
                piece = self.pieces.take()
                if piece is None:
                    continue
                if not worker.calls:
                    self._since[worker.number] = time.monotonic()
                call = self.crew.compute(worker, piece.part, piece.batches, keep=piece.keep)
                self._calls[call] = _Call(worker, piece)
        self._end_the_idle()

    def _end_the_idle(self) -> None:
        for worker in self.crew:
            if not (worker.calls or self.pieces or self.receipts.open) and len(self.crew) > self._in_hand():
                self.crew.dismiss(worker)

    def _hear(self, timeout: float) -> None:
        refs = [*self._calls, *self._late]
        if not refs:
            time.sleep(min(timeout, 0.5))  # no room for a worker yet, or a file that is not seen yet
            return
        heard, _ = self.ray.wait(refs, num_returns=1, timeout=timeout)
        for ref in heard:
            if ref in self._late:
                self._hear_late(ref)
            elif ref in self._calls:
                self._hear_one(ref)

    def _hear_one(self, ref: Any) -> None:
        call = self._calls[ref]
        try:
            answer = self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            self._forget(ref)
            self._fault(call, error)
        except self.ray.exceptions.RayError as error:
            self._death(call.worker, error)
        else:
            self._forget(ref)
            self._answered(call, answer)

    def _answered(self, call: _Call, answer: Post | Answer) -> None:
        if isinstance(answer, Post):
            call.worker.post = answer
            self.ledger.write("opened", worker=call.worker.number, **asdict(answer))
            return
        assert call.piece is not None, "who answers with a receipt was asked for one"
        self._barren = 0
        self._since[call.worker.number] = time.monotonic()
        if call.piece.keep:
            self.receipts.accept(call.piece, answer, call.worker)
        else:
            self.pieces.survived(call.piece)

    def _fault(self, call: _Call, error: Any) -> None:
        """What our own code raised in a worker ends the run; where the worker was only about to begin, that worker."""
        found = raised_by(call.worker, error)
        if call.piece is None:
            self.crew.refuse(call.worker, found)
            return
        raise found from None

    def _death(self, worker: Worker, error: Any) -> None:
        """A worker's process is gone. It comes back by itself; what it had is given out again.

        It was computing the first of its calls that is not in the store, which counts as killed unless its node went
        with it; what lay behind had not begun.
        """
        if getattr(error, "actor_init_failed", False):
            self._take_calls(worker)
            self.crew.refuse(worker, _not_made(error))
            return
        died, post = str(worker), worker.post
        free = bool(getattr(error, "preempted", False)) or (post is not None and post.node not in self.crew.living())
        computing, behind = self._take_calls(worker)
        self._barren += 1
        part = None if computing is None else computing.part
        self.ledger.write(
            "died", worker=worker.number, part=part, counts=part is not None and not free, error=str(error)
        )
        if computing is not None:
            self._blame(computing, died, free=free)
            if post is not None and not free:
                self._blamed.append((computing, post.node))
        elif post is None and self._barren == 1:
            self.tell(f"{died} died before its model was loaded: {_reason(error)}")
        if self._barren > 10 * (len(self.crew) + 2):
            raise SpiceError(
                f"{self._barren} workers died one after another, and no part was finished in between. The last: {error}"
            )
        for piece in reversed(behind):
            self.pieces.put_back(piece)
        worker.post = None
        if post is None:
            self._resting.append(worker)  # died again, or is not reached since its node is gone: asked again in a while
        else:
            self._calls[self.crew.open(worker)] = _Call(worker, None)

    def _blame(self, piece: Piece, died: str, *, free: bool) -> None:
        if free:
            self.tell(f"{died} went with its node: part {piece.part} is computed again.")
            self.pieces.put_back(piece)
            return
        self.tell(f"{died} died of part {piece.part}, or at it ({piece.deaths + 1} times): it is computed again.")
        before = len(self.pieces.dropped)
        self.pieces.killed(piece)
        for part, row in self.pieces.dropped[before:]:
            self.ledger.write("dropped", feature=self.receipts.feature, part=part, row=row, reason="kills-worker")

    def _take_calls(self, worker: Worker) -> tuple[Piece | None, list[Piece]]:
        """What a worker was asked and has not done: what it was at, and what lay behind that.

        What it had answered before is heard now; what it had written and not told is found.
        """
        lost = list[Piece]()
        for ref in [*worker.calls]:
            call = self._calls[ref]
            self._forget(ref)
            answer = self._answer(ref)
            if answer is not None:
                self._answered(call, answer)
                continue
            if call.piece is not None:
                self._late[ref] = call.piece
                if not (call.piece.keep and self.receipts.find(call.piece.part)):
                    lost.append(call.piece)
        self._since.pop(worker.number, None)
        return (lost[0], lost[1:]) if lost else (None, [])

    def _answer(self, ref: Any) -> Any:
        """What a call has returned; None if it has not, or has failed."""
        there, _ = self.ray.wait([ref], timeout=0)
        try:
            return self.ray.get(ref) if there else None
        except self.ray.exceptions.RayError:
            return None

    def _forget(self, ref: Any) -> None:
        call = self._calls.pop(ref)
        call.worker.calls.remove(ref)

    def _hear_late(self, ref: Any) -> None:
        piece, answer = self._late.pop(ref), self._answer(ref)
        if answer is not None and piece.keep:
            self.receipts.late(answer.receipt)

    def _mind_the_slow(self) -> None:
        """Say which part takes long, and give what a worker hangs at to another."""
        median = self.receipts.median_seconds
        if median is None:
            return
        for worker in self.crew:
            piece = next((self._calls[ref].piece for ref in worker.calls), None)
            if piece is None:
                continue
            age = time.monotonic() - self._since[worker.number]
            if age > max(_LOST * median, _LEAST_SLOW * _LOST / _SLOW):
                self.tell(f"{worker} has been at part {piece.part} for {age:.0f} s: it is given up and replaced.")
                self._give_up(worker)
            elif age > max(_SLOW * median, _LEAST_SLOW) and piece.part not in self._called_slow:
                self._called_slow.add(piece.part)
                self.tell(f"{worker} has been at part {piece.part} for {age:.0f} s; others took {median:.0f} s.")

    def _give_up(self, worker: Worker) -> None:
        hangs, behind = self._take_calls(worker)
        self.crew.dismiss(worker)
        if hangs is not None:
            self._blame(hangs, str(worker), free=False)
        for piece in reversed(behind):
            self.pieces.put_back(piece)

    def _take_what_is_there(self) -> None:
        """On the way out, whatever led there: receipts that have come are written down, and parts that came along."""
        with contextlib.suppress(SpiceError):  # there is one on the way out already
            for ref, call in [*self._calls.items()]:
                answer = self._answer(ref) if call.piece is not None and call.piece.keep else None
                if answer is not None:
                    self._answered(call, answer)
            self.receipts.look()


def _not_made(error: Any) -> InputError:
    """Ray could not make the actor at all, in another environment than this one's."""
    last = str(error).strip().splitlines()[-1]
    return InputError(f"a worker cannot be made on the cluster ({last}). Install the same packages on every node.")


def _reason(error: Any) -> str:
    return " ".join(str(error).split())[-300:]
