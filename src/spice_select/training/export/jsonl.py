"""The chosen rows as they came, as JSON lines: for any trainer that took the corpus."""

from collections.abc import Sequence
from pathlib import Path

from spice_select.training.export.base import Origin, Record
from spice_select.training.export.folder import write_lines
from spice_select.training.export.picks import Pick

DATA = "train.jsonl"


class Jsonl:
    """Every chosen row exactly as it came, in the order picked; no row is ever left out."""

    name = "jsonl"

    def record(self, pick: Pick) -> Record:
        return dict(pick.row.raw)

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        write_lines(folder / DATA, records)
        return (f"{DATA} holds the rows as they came, in the format {origin.identity['format']!r}.",)
