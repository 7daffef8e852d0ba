"""The port of a destination, and what is known of where the rows come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from spice_select.export.picks import Pick
from spice_select.export.records import Record as Record
from spice_select.export.trainee import Trainee
from spice_select.run.key_numbers import KeyNumber
from spice_select.run.summary import Mix


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the exported rows come from, for cards and configurations.

    Attributes:
        run: name of the run folder.
        corpus: what was selected from, as it was named.
        identity: the facts that decide the run's result, with the numbers that `auto` came to.
        selected_sha256: SHA-256 of the file of chosen rows.
        chosen: how many rows were chosen.
        model: the model to train, as the configurations name it.
        revision: commit, tag or branch of it, where it is one of the hub and one was asked for.
        max_length: longest example of the selection, in tokens.
        version: of spice-select, at the run.
        numbers: the numbers that the run's page is headed by.
        mix: rows and trained tokens by source, before and after; the largest sources.
        not_exported: fields of the rows that the exported ones lack, and in how many rows they stood.
    """

    run: str
    corpus: str
    identity: dict[str, Any]
    selected_sha256: str
    chosen: int
    model: str
    max_length: int
    version: str
    numbers: tuple[KeyNumber, ...] = ()
    mix: tuple[Mix, ...] = ()
    not_exported: dict[str, int] = field(default_factory=dict)
    revision: str | None = None

    @property
    def place(self) -> str:
        """Beside the model's name in a configuration: that a path holds on one machine alone."""
        return ", a path on the machine that exported" if Path(self.model).is_absolute() else ""


class Destination(Protocol):
    """A trainer that takes the chosen rows.

    Attributes:
        name: what `--to` calls it.
        as_they_came: whether it takes rows exactly as the corpus has them, all of their fields and whatever they are.
        reads_template: whether it shows the rows by the chat template of the model to train.
    """

    name: ClassVar[str]
    as_they_came: ClassVar[bool]
    reads_template: ClassVar[bool]

    def __init__(self) -> None:
        """With its defaults."""

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "Destination":
        """The destination as these rows and this model need it, where one decision has to hold for all rows."""

    def record(self, pick: Pick) -> Record:
        """A row as this trainer takes it; a `RowError` where it cannot be expressed."""

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        """What a person should know of how this trainer reads these (expressed) rows, in sentences."""

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        """Write the data and what belongs to it; returns what to do next, in sentences."""
