"""The port of an export target, and what is known of where the rows come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spice_select.training.export.picks import Pick

Record = dict[str, Any]
"""One line of the exported data."""

EMBEDDED = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""What the hub calls the embedded proxy."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the exported rows come from, for cards and configurations.

    Attributes:
        run: name of the run folder.
        corpus: what was selected from, as it was named.
        identity: the facts that decide the run's result.
        selected_sha256: SHA-256 of the file of chosen rows.
        chosen: how many rows were chosen.
        model: the model to train, as the configurations name it.
        max_length: longest example of the selection, in tokens.
        version: of spice-select, at the run.
    """

    run: str
    corpus: str
    identity: dict[str, Any]
    selected_sha256: str
    chosen: int
    model: str
    max_length: int
    version: str


class Target(Protocol):
    """A trainer that takes the chosen rows."""

    name: str

    def record(self, pick: Pick) -> Record:
        """A row as this trainer takes it; a `RowError` where it cannot be expressed."""

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        """Write the data and what belongs to it; returns what to do next, in sentences."""
