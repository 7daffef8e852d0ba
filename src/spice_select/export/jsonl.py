"""The chosen rows as they came, as JSON lines: for any trainer that took the corpus."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from spice_select.data.plain import plain
from spice_select.export.base import Origin, Record
from spice_select.export.folder import LINES, write_records
from spice_select.export.picks import Pick
from spice_select.export.trainee import Trainee
from spice_select.run.files import encoded_notes


class Jsonl:
    """Every chosen row exactly as it came, in the order picked; no row is ever left out."""

    name: ClassVar[str] = "jsonl"
    as_they_came: ClassVar[bool] = True
    reads_template: ClassVar[bool] = False

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "Jsonl":
        return self

    def record(self, pick: Pick) -> Record:
        return dict(pick.row.raw)

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        return encoded_notes(plain(pick.row.raw)[1] for pick in picks)

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        write_records(folder / LINES, records)
        return (f"{LINES} holds the rows as they came, in the format {origin.identity['format']!r}.",)
