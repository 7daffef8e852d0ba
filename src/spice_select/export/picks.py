"""The chosen rows of a finished run: as they came, and as conversations or preference pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spice_select.data.formats import detect_reader
from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation, Drop, Pair, Row
from spice_select.run import files as outputs
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A chosen row.

    Attributes:
        row: the row exactly as it came to the selection, without what the selection wrote beside it.
        reading: the row as a conversation or a pair, read through the run's own row format.
        note: what the selection wrote: its `spice` object (rank, gain, epsilon, conflict, row, sha256).
    """

    row: Row
    reading: Conversation | Pair | Drop
    note: dict[str, Any]

    @property
    def unread(self) -> tuple[str, ...]:
        """Fields of the row that say something and that its format did not look at."""
        return () if isinstance(self.reading, Drop) else self.reading.unread

    @property
    def unread_of_turns(self) -> tuple[str, ...]:
        """Fields of its turns that nobody looked at, each once."""
        return () if isinstance(self.reading, Drop) else tuple(dict.fromkeys(self.reading.unread_of_turns))

    @property
    def conversation(self) -> Conversation:
        """The conversation; a `RowError` where the row cannot be read as one."""
        if isinstance(self.reading, Pair):
            raise RowError("preference-pair", "the row prefers one answer to another; conversations have one")
        if isinstance(self.reading, Drop):
            raise RowError(self.reading.reason, self.reading.detail)
        return self.reading

    @property
    def pair(self) -> Pair:
        """The pair; a `RowError` where the row cannot be read as one."""
        if isinstance(self.reading, Conversation):
            raise RowError("no-preference-pair", "the row has one answer; a pair has a chosen and a rejected one")
        if isinstance(self.reading, Drop):
            raise RowError(self.reading.reason, self.reading.detail)
        return self.reading

    @property
    def turns(self) -> tuple[dict[str, Any], ...]:
        """All turns of the row; of a pair the prompt, then both answers. A `RowError` where it cannot be read."""
        if isinstance(self.reading, Pair):
            return (*self.reading.prompt, *self.reading.chosen, *self.reading.rejected)
        return self.conversation.messages


def read_picks(run: Run) -> list[Pick]:
    """The chosen rows in the order picked.

    Raises:
        InputError: the file of chosen rows is missing or was altered after the run.
    """
    lines = outputs.read_selected(RunFolder(run.path))
    reader = detect_reader([], run.manifest["identity"]["format"])
    picks = []
    for line, (raw, note) in enumerate(lines, start=1):
        row = Row(number=int(note["row"]), raw=raw, where=f"{run.path / outputs.SELECTED}:{line}")
        picks.append(Pick(row=row, reading=reader.read(row), note=note))
    return picks


def are_pairs(picks: Sequence[Pick]) -> bool:
    """Whether the rows are preference pairs: all of a run's are, or none."""
    return any(isinstance(pick.reading, Pair) for pick in picks)
