"""What one tuning run left behind, read back and checked."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError


@dataclass(frozen=True)
class Selection:
    """What an arm picked: row ids, its supervised and all its tokens, the spoilt rows among it (None: not known)."""

    rows: tuple[int, ...]
    supervised: int
    tokens: int
    bad: int | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Held:
    """Held-out rows and a model's loss on each: `sums` ``[R]`` in nats, over `tokens` ``[R]`` supervised tokens."""

    name: str
    rows: tuple[Any, ...]
    sources: tuple[str, ...]
    sums: NDArray[np.float64]
    tokens: NDArray[np.float64]

    def same_rows(self, other: "Held") -> bool:
        """Whether both were measured on the same rows in the same order, with the same tokens."""
        mine, theirs = ((held.name, held.rows, held.sources) for held in (self, other))
        return mine == theirs and bool(np.array_equal(self.tokens, other.tokens))


@dataclass(frozen=True, eq=False)
class Record:
    """One tuning: `arm` chose in `bed`, `seed` drew and tuned, `held` judged. Untuned: arm "untuned", seed 0."""

    bed: str
    arm: str
    seed: int
    selection: Selection
    steps: int
    held: Held
    training_seconds: float

    def __str__(self) -> str:
        return f"{self.bed}/{self.arm}, seed {self.seed}, judged on {self.held.name}"


def load(folder: Path) -> list[Record]:
    """All records below `folder`, a JSON file each, in the order of their paths.

    Keys beyond those of `Record` are the runner's and are not read.

    Raises:
        InputError: no records there, a file that is none, or two files of one run.
    """
    paths = sorted(Path(folder).rglob("*.json"))
    if not paths:
        raise InputError(f"{folder}: holds no record (*.json). Run the tunings first, or name the folder they wrote.")
    homes: dict[str, Path] = {}
    records = []
    for path in paths:
        record = _read(path)
        if str(record) in homes:
            raise InputError(f"{path}: the same run ({record}) is in {homes[str(record)]}. Keep one of the two files.")
        homes[str(record)] = path
        records.append(record)
    return records


def _read(path: Path) -> Record:
    try:
        return record_of(json.loads(path.read_text(encoding="utf-8")))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is no record of a tuning ({type(error).__name__}: {error}). Move it away, or run it again."
        ) from error


def record_of(raw: dict[str, Any]) -> Record:
    """A record from its JSON object; the untuned model's `selection` may be null."""
    chosen = raw["selection"] or {"rows": [], "supervised": 0, "tokens": 0, "bad": None, "seconds": 0.0}
    selection = Selection(
        rows=tuple(chosen["rows"]),
        supervised=int(chosen["supervised"]),
        tokens=int(chosen["tokens"]),
        bad=None if chosen["bad"] is None else int(chosen["bad"]),
        seconds=float(chosen["seconds"]),
    )
    return Record(
        bed=raw["bed"],
        arm=raw["arm"],
        seed=int(raw["seed"]),
        selection=selection,
        steps=int(raw["steps"] or 0),
        held=_held(raw["held"]),
        training_seconds=float(raw["training_seconds"] or 0),
    )


def _held(raw: dict[str, Any]) -> Held:
    held = Held(
        name=raw["name"],
        rows=tuple(raw["rows"]),
        sources=tuple(raw["sources"]),
        sums=np.asarray(raw["sums"], np.float64),
        tokens=np.asarray(raw["tokens"], np.float64),
    )
    sizes = [len(part) for part in (held.rows, held.sources, held.sums, held.tokens)]
    if not sizes[0] or len(set(sizes)) > 1:
        raise InputError(
            f"held: {sizes} rows, sources, sums and tokens, but each held-out row has one of each. Run it again."
        )
    if not np.isfinite(held.sums).all():
        row = held.rows[int(np.flatnonzero(~np.isfinite(held.sums))[0])]
        raise InputError(f"held: the loss of row {row!r} is not finite: the tuning diverged. Run it again.")
    if held.tokens.min() < 1:
        row = held.rows[int(np.argmin(held.tokens))]
        raise InputError(
            f"held: row {row!r} has no supervised token, hence no loss. Leave it out of the held-out rows."
        )
    return held


def tokens_apart(ours: Sequence[Record], theirs: Sequence[Record]) -> float:
    """By what share the supervised tokens of `ours` lie above (or, negative, below) those of `theirs`; NaN of none."""
    mine, other = (sum(run.selection.supervised for run in runs) for runs in (ours, theirs))
    return (mine / len(ours)) / (other / len(theirs)) - 1 if other and ours else math.nan
