"""The rows of each arm: what was chosen, everything that could have been chosen, or as many at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spice_select.data.corpus import encode_corpus
from spice_select.data.encoding import Encoded, Encoder
from spice_select.data.formats import detect_reader
from spice_select.data.records import Row, Sample
from spice_select.export.picks import read_picks
from spice_select.progress import Progress
from spice_select.run import files as outputs
from spice_select.run.corpus import reread_corpus
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Rows to train on.

    Attributes:
        name: ``selected``, ``full`` or ``random``.
        rows: the rows, before the target's template sees them.
        chosen: how many rows the run chose.
    """

    name: str
    rows: tuple[Row, ...]
    chosen: int


def read_arm(run: Run, on: str, *, seed: int, allow_network: bool) -> Arm:
    """The rows of an arm.

    ``full`` and ``random`` read the corpus again and take only rows that the selection could have chosen.

    Raises:
        InputError: the chosen rows were altered, or the corpus is gone or is no longer the one selected from.
    """
    picked = tuple(pick.row for pick in read_picks(run))
    if on == "selected":
        return Arm(name=on, rows=picked, chosen=len(picked))
    usable = _usable(run, allow_network)
    if on == "random":
        drawn = np.random.default_rng(seed).choice(len(usable), min(len(picked), len(usable)), replace=False)
        usable = [usable[int(position)] for position in drawn]
    return Arm(name=on, rows=tuple(usable), chosen=len(picked))


def encode_arm(run: Run, rows: Sequence[Row], encoder: Encoder, progress: Progress, name: str) -> Encoded[Sample]:
    """The rows as the target sees them, read through the run's own row format. Raises InputError if none is left."""
    reader = detect_reader([], run.manifest["identity"]["format"])
    return encode_corpus(rows, reader, encoder, progress, name=f"Encoding {name} rows")


def _usable(run: Run, allow_network: bool) -> list[Row]:
    """Every row of the corpus that was not dropped before the selection."""
    dropped = outputs.read_dropped(RunFolder(run.path))
    return [row for row in reread_corpus(run, allow_network=allow_network) if row.number not in dropped]
