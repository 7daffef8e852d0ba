"""What counts as finished: a worker's word is held against the store, and two words for one part against each other."""

import hashlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from spice_select.errors import SpiceError
from spice_select.executors.base import PartJob, Receipt
from spice_select.executors.cluster.actor import Answer
from spice_select.executors.cluster.ledger import RunLedger
from spice_select.executors.cluster.pieces import Piece
from spice_select.executors.cluster.workers import Worker

_UNSOUND = 3
"""How often a part may be said to be finished and not be so."""


@dataclass(frozen=True)
class _Unseen:
    """A receipt whose part is not in the store, as far as can be seen from here."""

    piece: Piece
    receipt: Receipt
    worker: Worker
    since: float


@dataclass(kw_only=True)
class Receipts:
    """The receipts of one run of parts. The first that the store bears out counts.

    Attributes:
        job: whose parts they are.
        ledger: what counts is written there.
        tell: told in a sentence what does not.
        seen: told of each part that is finished.
        settles: seconds until a file that was written elsewhere is seen here.
    """

    job: PartJob
    ledger: RunLedger
    tell: Callable[[str], None]
    seen: Callable[[int], None]
    settles: float
    odd: set[int] = field(default_factory=set)
    _finished: dict[int, str] = field(default_factory=dict)
    _unseen: list[_Unseen] = field(default_factory=list)
    _unsound: dict[int, int] = field(default_factory=dict)
    _seconds: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        """Parts that are finished."""
        return len(self._finished)

    @property
    def feature(self) -> str:
        """What the parts are of."""
        return self.job.store.folder.name

    @property
    def open(self) -> bool:
        """Whether there are receipts that the store does not bear out yet."""
        return bool(self._unseen)

    @property
    def median_seconds(self) -> float | None:
        """What a part takes; None while three are not known."""
        return statistics.median(self._seconds) if len(self._seconds) >= 3 else None

    def accept(self, piece: Piece, answer: Answer, worker: Worker) -> None:
        """Hear that a part is finished; the bytes that come along are written."""
        receipt = answer.receipt
        if receipt.part in self._finished:
            self._compare(receipt.part, receipt.sha256)
            return
        if answer.content is not None and hashlib.sha256(answer.content).hexdigest() == receipt.sha256:
            self.job.store.put(receipt.part, answer.content)
        self._unseen.append(_Unseen(piece, receipt, worker, time.monotonic()))

    def look(self) -> list[Piece]:
        """Look for what was said to be finished; a network file system may show it late.

        Returns:
            What must be computed again.

        Raises:
            SpiceError: a part was said to be finished again and again, and never was.
        """
        unseen, self._unseen = self._unseen, []
        again = []
        for one in unseen:
            if one.piece.part in self._finished:
                self._compare(one.piece.part, one.receipt.sha256)
            elif self._is_stored(one.receipt):
                self._count(one.piece, one.receipt, one.worker)
            elif time.monotonic() - one.since < self.settles:
                self._unseen.append(one)
            else:
                self._doubt(one)
                again.append(one.piece)
        return again

    def find(self, part: int) -> bool:
        """Whether a part is there of which no receipt came: the last deed of a worker that died. It counts."""
        if not self.job.is_finished(part):
            return False
        if part not in self._finished:
            self.ledger.write("found", feature=self.feature, part=part)
            self._finish(part, self._sum(part))
        return True

    def late(self, receipt: Receipt) -> None:
        """Hear of what was given up and came after all: no harm, but it may have written something else."""
        self.ledger.write("late", feature=self.feature, **asdict(receipt))
        if receipt.part in self._finished:
            self._compare(receipt.part, receipt.sha256)

    def compare_sums(self) -> None:
        """A worker that was taken for dead may have written a part once more, and died without a word."""
        for part in self._finished:
            self._compare(part, self._sum(part))

    def _is_stored(self, receipt: Receipt) -> bool:
        store = self.job.store
        if store.folder.is_dir():
            os.listdir(store.folder)  # makes a network file system ask its server, which a look at one name does not
        return self._sum(receipt.part) == receipt.sha256 and self.job.is_finished(receipt.part)

    def _count(self, piece: Piece, receipt: Receipt, worker: Worker) -> None:
        self._seconds.append(receipt.seconds)
        by = {"attempt": piece.deaths + 1, "worker": worker.number}
        place = {} if worker.post is None else {"host": worker.post.host, "pid": worker.post.pid}
        self.ledger.write("finished", feature=self.feature, **asdict(receipt), **by, **place)
        self._finish(receipt.part, receipt.sha256)

    def _finish(self, part: int, digest: str) -> None:
        self._finished[part] = digest
        self.seen(part)

    def _doubt(self, one: _Unseen) -> None:
        part, path = one.piece.part, self.job.store.label(one.piece.part)
        times = self._unsound[part] = self._unsound.get(part, 0) + 1
        if times == _UNSOUND:
            raise SpiceError(
                f"{path}: {times} workers said that they had written it, and what is there is not what they wrote. "
                "Look whether all nodes see this disk (if not, give --gather), and whether it can be trusted."
            )
        self.tell(f"{one.worker} says that it has written {path}, and what is there is not that: computed again.")

    def _compare(self, part: int, digest: str) -> None:
        """Of a part that was computed twice: does it matter which of the two is there?"""
        if self._finished[part] != digest and part not in self.odd:
            self.odd.add(part)
            self.tell(f"Part {part} was computed twice, with other bytes: its workers agree to rounding only.")

    def _sum(self, part: int) -> str:
        """What the store states of a part, or nothing."""
        return self.job.store.digest(part)
