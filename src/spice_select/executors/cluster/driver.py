"""The driver: it hands out pieces, hears of them, and judges by the store. It is all that knows how far a run is."""

import contextlib
import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from spice_select.errors import InputError, SpiceError
from spice_select.executors.base import PartJob
from spice_select.executors.cluster.actor import Answer, Post
from spice_select.executors.cluster.ledger import RunLedger
from spice_select.executors.cluster.pieces import Piece, Pieces
from spice_select.executors.cluster.workers import Crew, Worker
from spice_select.store import sum_path

WINDOW = 2
"""Calls that a worker has at a time: the next part lies there when it has done one."""
_SLOW, _LOST = 10, 30
"""How many times the median a part may take before that is said, and before it is given to another worker."""
_LEAST_SLOW = 60.0
"""Seconds below which no part is slow."""
_UNSOUND = 3
"""How often a part may be said to be finished and not be so."""


@dataclass(eq=False)
class _Call:
    """What a worker was asked: a piece, or None to load its model."""

    worker: Worker
    piece: Piece | None


@dataclass(kw_only=True)
class Driver:
    """One run of parts over a crew.

    Attributes:
        ray: the connected module.
        crew: the workers.
        job: whose parts they are; it asks the store, and loads no model here.
        ledger: what is seen is written there.
        tell: told in a sentence what goes wrong.
        seen: told of each part that is finished.
        tick: seconds without news after which it looks around.
    """

    ray: Any
    crew: Crew
    job: PartJob
    ledger: RunLedger
    tell: Callable[[str], None]
    seen: Callable[[int], None]
    tick: float
    _calls: dict[Any, _Call] = field(default_factory=dict)
    _late: dict[Any, Piece] = field(default_factory=dict)
    _finished: dict[int, str] = field(default_factory=dict)
    _unsound: dict[int, int] = field(default_factory=dict)
    _seconds: list[float] = field(default_factory=list)
    _barren: int = 0
    _odd: set[int] = field(default_factory=set)
    _looked: float = 0.0
    _since: dict[int, float] = field(default_factory=dict)
    _called_slow: set[int] = field(default_factory=set)

    def run(self, parts: Sequence[int]) -> None:
        """Return when every part is in the store; raises as `RayExecutor.run`."""
        self.ledger.write("begun", feature=self._feature, parts=len(parts), ray=self.ray.__version__)
        self._pieces = Pieces(parts, self.job.batches, self._say("divided"))
        try:
            while self._pieces or self._work_in_hand():
                self._look_around()
                self._hand_out()
                self._hear(self.tick)
            self._compare_sums()
        finally:
            self._take_what_is_there()
            self.ledger.write("ended", feature=self._feature, finished=len(self._finished), odd=sorted(self._odd))

    @property
    def _feature(self) -> str:
        return self.job.store.folder.name

    def _work_in_hand(self) -> int:
        return sum(call.piece is not None for call in self._calls.values())

    def _look_around(self) -> None:
        """Every tick, and whenever there is no worker: begin some where there is room, and mind those that hang."""
        if self.crew and time.monotonic() - self._looked < self.tick:
            return
        self._looked = time.monotonic()
        workers = {worker.number for worker in self.crew}
        for worker in self.crew.recruit(len(self._pieces) + self._work_in_hand()):
            self._calls[worker.calls[0]] = _Call(worker, None)
        self._mind_the_slow([worker for worker in self.crew if worker.number in workers])

    def _hand_out(self) -> None:
        """Fill the windows, first calls before second ones; end workers that nothing is left for."""
        for depth in range(1, WINDOW + 1):
            for worker in self.crew:
                if worker.post is None or len(worker.calls) >= depth:
                    continue
                if depth > 1 and len(self._pieces) < len(self.crew):
                    continue  # the last ones are for those that would idle
                piece = self._pieces.take()
                if piece is None:
                    continue
                if not worker.calls:
                    self._since[worker.number] = time.monotonic()
                call = self.crew.compute(worker, piece.part, piece.batches, keep=piece.keep)
                self._calls[call] = _Call(worker, piece)
        self._end_the_idle()

    def _end_the_idle(self) -> None:
        for worker in self.crew:
            if not (worker.calls or self._pieces) and len(self.crew) > self._work_in_hand():
                self.crew.dismiss(worker)

    def _hear(self, timeout: float) -> None:
        refs = [*self._calls, *self._late]
        if not refs:
            time.sleep(min(timeout, 0.5))  # no room yet
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
        assert call.piece is not None
        self._barren = 0
        self._since[call.worker.number] = time.monotonic()
        if not call.piece.keep:
            self._pieces.survived(call.piece)
            return
        self._accept(call.piece, answer, call.worker)

    def _accept(self, piece: Piece, answer: Answer, worker: Worker) -> None:
        """A receipt counts if the store holds what it states, of this run. The first one does."""
        receipt = answer.receipt
        if receipt.part in self._finished:
            self._compare(receipt.part, receipt.sha256)
            return
        if answer.content is not None and hashlib.sha256(answer.content).hexdigest() == receipt.sha256:
            self.job.store.put(receipt.part, answer.content)
        if self._sum(receipt.part) != receipt.sha256 or not self.job.is_finished(receipt.part):
            self._retry_unsound(piece, worker)
            return
        self._seconds.append(receipt.seconds)
        self._finish(receipt.part, receipt.sha256)
        by = {"attempt": piece.deaths + 1, "worker": worker.number}
        place = {} if worker.post is None else {"host": worker.post.host, "pid": worker.post.pid}
        self.ledger.write("finished", feature=self._feature, **asdict(receipt), **by, **place)

    def _finish(self, part: int, digest: str) -> None:
        self._finished[part] = digest
        self.seen(part)

    def _retry_unsound(self, piece: Piece, worker: Worker) -> None:
        times = self._unsound[piece.part] = self._unsound.get(piece.part, 0) + 1
        path = self.job.store.path(piece.part)
        if times == _UNSOUND:
            raise SpiceError(
                f"{path}: {times} workers said that they had written it, and what is there is not what they wrote. "
                "Look whether all nodes see this disk (if not, give --gather), and whether it can be trusted."
            )
        self.tell(f"{worker} says that it has written {path}, and what is there is not that: computed again.")
        self._pieces.put_back(piece)

    def _fault(self, call: _Call, error: Any) -> None:
        """What our own code raised in a worker ends the run; where the worker was only about to begin, that worker."""
        cause = error.cause
        if isinstance(cause, InputError):
            found: SpiceError = InputError(str(cause))
        else:
            found = SpiceError(f"{call.worker} failed: {type(cause).__name__}: {cause}\n{error}")
        if call.piece is None:
            self.crew.refuse(call.worker, found)
            return
        raise found from None

    def _death(self, worker: Worker, error: Any) -> None:
        """A worker's process is gone. It comes back by itself; what it had is given out again.

        It was computing the first of its calls, which counts as killed unless its node went with it; what lay behind
        had not begun. What it finished before counts.
        """
        died, post = str(worker), worker.post
        free = bool(getattr(error, "preempted", False)) or (post is not None and not self.crew.is_alive(post.node))
        lost = self._take_calls(worker)
        computing = next((piece for piece in lost if piece is not None), None)
        self._barren += 1
        self.ledger.write(
            "died",
            worker=worker.number,
            part=None if computing is None else computing.part,
            counts=computing is not None and not free,
            error=str(error),
        )
        for piece in reversed(lost):
            if piece is not None and piece is not computing:
                self._pieces.put_back(piece)
        if computing is not None:
            self._blame(computing, died, free=free)
        elif post is None:
            self.tell(f"{died} died before its model was loaded: {_reason(error)}")
        if self._barren > 10 * (len(self.crew) + 2):
            raise SpiceError(
                f"{self._barren} workers died one after another, and no part was finished in between. The last: {error}"
            )
        self._come_back(worker, error)

    def _blame(self, piece: Piece, died: str, *, free: bool) -> None:
        if piece.keep and self.job.is_finished(piece.part):  # it was the worker's last deed
            if piece.part not in self._finished:
                self.ledger.write("found", feature=self._feature, part=piece.part)
                self._finish(piece.part, self._sum(piece.part))
            return
        if free:
            self.tell(f"{died} went with its node: part {piece.part} is computed again.")
            self._pieces.put_back(piece)
            return
        self.tell(f"{died} died of part {piece.part}, or at it ({piece.deaths + 1} times): it is computed again.")
        before = len(self._pieces.dropped)
        self._pieces.killed(piece)
        for part, row in self._pieces.dropped[before:]:
            self.ledger.write("dropped", feature=self._feature, part=part, row=row, reason="kills-worker")

    def _come_back(self, worker: Worker, error: Any) -> None:
        """Ray starts the process again; an actor that it has given up is replaced when the driver next looks around."""
        if isinstance(error, self.ray.exceptions.ActorDiedError) and not _restarts(error):
            self.crew.dismiss(worker)
            self._looked = 0.0
            return
        self._calls[self.crew.open(worker)] = _Call(worker, None)

    def _take_calls(self, worker: Worker) -> list[Piece | None]:
        """All that a worker was asked and has not done, in order; what it had answered before is heard now."""
        lost = list[Piece | None]()
        for ref in [*worker.calls]:
            call = self._calls[ref]
            self._forget(ref)
            answer = self._answer(ref)
            if answer is not None:
                self._answered(call, answer)
                continue
            lost.append(call.piece)
            if call.piece is not None:
                self._late[ref] = call.piece
        self._since.pop(worker.number, None)
        return lost

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
        """What was given up and comes after all: it has done no harm, but may have written something else."""
        piece = self._late.pop(ref)
        answer = self._answer(ref)
        if answer is None or not piece.keep:
            return
        self.ledger.write("late", feature=self._feature, **asdict(answer.receipt))
        if piece.part in self._finished:
            self._compare(piece.part, answer.receipt.sha256)

    def _compare(self, part: int, digest: str) -> None:
        """Of a part that was computed twice: does it matter which of the two is there?"""
        if self._finished[part] != digest and part not in self._odd:
            self._odd.add(part)
            self.tell(f"Part {part} was computed twice, with other bytes: its workers agree to rounding only.")

    def _compare_sums(self) -> None:
        """A worker that was taken for dead may have written a part once more, and died without a word."""
        for part in self._finished:
            self._compare(part, self._sum(part))

    def _mind_the_slow(self, workers: Sequence[Worker]) -> None:
        """Say which part takes long, and give what a worker hangs at to another."""
        if len(self._seconds) < 3:
            return
        median, now = statistics.median(self._seconds), time.monotonic()
        for worker in workers:
            pieces = [piece for ref in worker.calls if (piece := self._calls[ref].piece) is not None]
            if not pieces:
                continue
            age = now - self._since[worker.number]
            if age > max(_LOST * median, _LEAST_SLOW * _LOST / _SLOW):
                self.tell(f"{worker} has been at part {pieces[0].part} for {age:.0f} s: it is given up and replaced.")
                self._give_up(worker)
            elif age > max(_SLOW * median, _LEAST_SLOW) and pieces[0].part not in self._called_slow:
                self._called_slow.add(pieces[0].part)
                self.tell(f"{worker} has been at part {pieces[0].part} for {age:.0f} s; others took {median:.0f} s.")

    def _give_up(self, worker: Worker) -> None:
        lost = [piece for piece in self._take_calls(worker) if piece is not None]
        died = str(worker)
        self.crew.dismiss(worker)
        for piece in reversed(lost[1:]):
            self._pieces.put_back(piece)
        if lost:
            self._blame(lost[0], died, free=False)

    def _take_what_is_there(self) -> None:
        """On the way out, whatever led there: receipts that have come are written down, and parts that came along."""
        for ref, call in [*self._calls.items()]:
            answer = self._answer(ref) if call.piece is not None and call.piece.keep else None
            if answer is not None:
                with contextlib.suppress(SpiceError):  # there is one on the way out already
                    self._answered(call, answer)

    def _sum(self, part: int) -> str:
        """What the store states of a part, or nothing."""
        path = sum_path(self.job.store.path(part))
        return path.read_text().split()[0] if path.is_file() else ""

    def _say(self, event: str) -> Callable[[str], None]:
        def say(sentence: str) -> None:
            self.tell(sentence)
            self.ledger.write(event, feature=self._feature, sentence=sentence)

        return say


def _restarts(error: Any) -> bool:
    """Whether Ray brings the actor back: it does with `max_restarts`, unless it never came to be."""
    return not error.actor_init_failed


def _reason(error: Any) -> str:
    return " ".join(str(error).split())[-300:]
