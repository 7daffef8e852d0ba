"""What is still to be computed, and what becomes of a part that kills worker after worker.

Three deaths on a part divide it: each of its batches is tried alone, and a batch that kills three times is tried row by
row. A row that kills three times by itself is left out and marked; what survived is computed as it was tried. So a
death by chance (another process took the memory, a machine went) moves no bit, and a row that kills costs nine deaths.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from spice_select.errors import SpiceError
from spice_select.executors.base import Batches

DEATHS = 3
"""Workers that must die of the same rows before these are suspected."""


@dataclass(kw_only=True, eq=False)
class Piece:
    """Rows for one call.

    Attributes:
        part: that they belong to.
        batches: which rows of it, and together with which; None: as planned.
        keep: whether the part is written; if not, this tries whether its rows can be computed.
        deaths: workers that died of it.
    """

    part: int
    batches: Batches | None = None
    keep: bool = True
    deaths: int = 0


@dataclass
class _Division:
    """A part in pieces.

    Attributes:
        planned: its batches.
        due: trials that have not ended.
        sound: batches that a worker has survived.
        dropped: rows that none did.
    """

    planned: Batches
    due: int = 0
    sound: list[Sequence[int]] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)


class Pieces:
    """The pieces that nobody computes at the moment, in order, and the divisions of those that kill.

    Args:
        parts: that are due.
        batches: of a part, as planned.
        tell: told in a sentence of a part that is divided and of a row that is dropped.
    """

    def __init__(self, parts: Iterable[int], batches: Callable[[int], Batches], tell: Callable[[str], None]) -> None:
        self._waiting = deque(Piece(part=part) for part in parts)
        self._batches, self._tell = batches, tell
        self._divided: dict[int, _Division] = {}
        self.dropped: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Piece | None:
        """The next one."""
        return self._waiting.popleft() if self._waiting else None

    def put_back(self, piece: Piece) -> None:
        """One that was not computed, for no fault of its own."""
        self._waiting.appendleft(piece)

    def survived(self, piece: Piece) -> None:
        """A trial has ended well."""
        assert piece.batches is not None
        division = self._divided[piece.part]
        division.sound.extend(piece.batches)
        self._tried(piece.part, division)

    def killed(self, piece: Piece) -> None:
        """A worker died of it. Raises SpiceError where each of its rows is sound by itself."""
        piece.deaths += 1
        if piece.deaths < DEATHS:
            self._waiting.append(piece)  # last: whatever else there is gets done first
        elif piece.keep and piece.part in self._divided:
            raise SpiceError(
                f"part {piece.part} kills worker after worker, though each of its rows was computed alone: it is no "
                "row that kills them, but the machine. Look at the workers' logs and at the memory of the nodes."
            )
        else:
            self._divide(piece)

    def _divide(self, piece: Piece) -> None:
        batches = self._batches(piece.part) if piece.batches is None else piece.batches
        division = self._divided.setdefault(piece.part, _Division(planned=batches))
        smaller = [[batch] for batch in batches] if len(batches) > 1 else [[[row]] for row in batches[0]]
        if not piece.keep and len(batches) == len(batches[0]) == 1:
            division.dropped.append(batches[0][0])
            self.dropped.append((piece.part, batches[0][0]))
            self._tell(f"Row {batches[0][0]} is left out: {DEATHS} workers died of it alone.")
            self._tried(piece.part, division)
            return
        what = f"part {piece.part}" if piece.keep else f"{len(batches[0])} rows of part {piece.part}"
        self._tell(f"{DEATHS} workers died of {what}: tried in {len(smaller)} pieces, to find the row that kills them.")
        division.due += len(smaller) - (0 if piece.keep else 1)
        self._waiting.extend(Piece(part=piece.part, batches=each, keep=False) for each in smaller)

    def _tried(self, part: int, division: _Division) -> None:
        division.due -= 1
        if division.due == 0:
            order = {row: place for place, row in enumerate(row for batch in division.planned for row in batch)}
            sound = sorted(division.sound, key=lambda batch: order[batch[0]])
            self._waiting.append(Piece(part=part, batches=sound))
