"""The chosen rows of a finished run: as they came, and as conversations."""

from dataclasses import dataclass
from typing import Any

from spice_select.data.formats import detect_format
from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation, Drop, Row
from spice_select.run import files as outputs
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A chosen row.

    Attributes:
        row: the row exactly as it came to the selection, without what the selection wrote beside it.
        reading: the row as a conversation, read through the run's own row format.
        note: what the selection wrote: its `spice` object (rank, gain, epsilon, conflict, row, sha256).
    """

    row: Row
    reading: Conversation | Drop
    note: dict[str, Any]

    @property
    def unread(self) -> tuple[str, ...]:
        """Fields of the row that say something and that its format did not look at."""
        return self.reading.unread if isinstance(self.reading, Conversation) else ()

    @property
    def unread_of_turns(self) -> tuple[str, ...]:
        """Fields of its turns that nobody looked at, each once."""
        return tuple(dict.fromkeys(self.reading.unread_of_turns)) if isinstance(self.reading, Conversation) else ()

    @property
    def conversation(self) -> Conversation:
        """The conversation; a `RowError` where the row cannot be read as one."""
        if isinstance(self.reading, Drop):
            raise RowError(self.reading.reason, self.reading.detail)
        return self.reading


def read_picks(run: Run) -> list[Pick]:
    """The chosen rows in the order picked.

    Raises:
        InputError: the file of chosen rows is missing or was altered after the run.
    """
    lines = outputs.read_selected(RunFolder(run.path))
    row_format = detect_format([], run.manifest["identity"]["format"])
    picks = []
    for line, (raw, note) in enumerate(lines, start=1):
        row = Row(number=int(note["row"]), raw=raw, where=f"{run.path / outputs.SELECTED}:{line}")
        picks.append(Pick(row=row, reading=row_format.read(row), note=note))
    return picks
