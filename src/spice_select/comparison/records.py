"""What one tuning run left behind, read back and checked."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError


@dataclass(frozen=True)
class ArmPicks:
    """What an arm picked: row ids, its supervised and all its tokens, the spoilt rows among it (None: not known)."""

    rows: tuple[int, ...]
    supervised: int
    tokens: int
    bad: int | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Held:
    """Held-out rows and a model's loss on each: `sums` ``[R]`` in nats, over `tokens` ``[R]`` supervised tokens.

    Of a `task`, rows are its items and losses those of its gold answers: a proxy of its score, and checked as one.
    """

    name: str
    rows: tuple[Any, ...]
    sources: tuple[str, ...]
    sums: NDArray[np.float64]
    tokens: NDArray[np.float64]
    task: bool = False

    def same_rows(self, other: "Held") -> bool:
        """Whether both were measured on the same rows in the same order, with the same tokens."""
        mine, theirs = ((held.name, held.rows, held.sources) for held in (self, other))
        return mine == theirs and bool(np.array_equal(self.tokens, other.tokens))

    def only(self, own: NDArray[np.bool_]) -> "Held":
        """The rows of which `own` ``[R]`` is true."""
        rows, sources = (tuple(part[i] for i in np.flatnonzero(own)) for part in (self.rows, self.sources))
        return replace(self, rows=rows, sources=sources, sums=self.sums[own], tokens=self.tokens[own])


@dataclass(frozen=True, eq=False)
class ArmRun:
    """One tuning: `arm` chose in `bed`, `seed` drew and tuned, each of `held` judged. Untuned: arm "untuned", seed 0.

    `budget` is the share of the pool's supervised tokens that the arm might take; None stands beside every budget.
    `flops` are those of the choice and of the tuning together; None where they were not counted.
    """

    bed: str
    arm: str
    seed: int
    selection: ArmPicks
    steps: int
    held: tuple[Held, ...]
    training_seconds: float
    budget: float | None = None
    flops: float | None = None

    def __str__(self) -> str:
        budget = "" if self.budget is None else f" at {self.budget:.3g}"
        return f"{self.bed}/{self.arm}{budget}, seed {self.seed}"

    @property
    def seconds(self) -> float:
        """Of the choice and of the tuning together."""
        return self.selection.seconds + self.training_seconds

    def on(self, name: str) -> Held:
        """How it was judged on the held-out set of that name, which it has."""
        return next(held for held in self.held if held.name == name)


def read_arm_runs(folder: Path) -> list[ArmRun]:
    """All records below `folder`, a JSON file each, in the order of their paths.

    Keys beyond those of `ArmRun` are the runner's and are not read.

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
        for held in record.held:
            run = f"{record}, judged on {held.name}"
            if run in homes:
                raise InputError(f"{path}: the same run ({run}) is in {homes[run]}. Keep one of the two files.")
            homes[run] = path
        records.append(record)
    return records


def _read(path: Path) -> ArmRun:
    try:
        return arm_run_of(json.loads(path.read_text(encoding="utf-8")))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is no record of a tuning ({type(error).__name__}: {error}). Move it away, or run it again."
        ) from error


def arm_run_of(raw: dict[str, Any]) -> ArmRun:
    """A record from its JSON object; the untuned model's `selection` may be null."""
    chosen = raw["selection"] or {"rows": [], "supervised": 0, "tokens": 0, "bad": None, "seconds": 0.0}
    selection = ArmPicks(
        rows=tuple(chosen["rows"]),
        supervised=int(chosen["supervised"]),
        tokens=int(chosen["tokens"]),
        bad=None if chosen["bad"] is None else int(chosen["bad"]),
        seconds=float(chosen["seconds"]),
    )
    return ArmRun(
        bed=raw["bed"],
        arm=raw["arm"],
        seed=int(raw["seed"]),
        selection=selection,
        steps=int(raw["steps"] or 0),
        held=_held_sets(raw["held"]),
        training_seconds=float(raw["training_seconds"] or 0),
        budget=_number(raw.get("budget")),
        flops=_number(raw.get("flops")),
    )


def _number(raw: Any) -> float | None:
    return None if raw is None else float(raw)


def _held_sets(raw: Any) -> tuple[Held, ...]:
    """One set or a list of them."""
    found = tuple(_held(one) for one in (raw if isinstance(raw, list) else [raw]))
    names = [held.name for held in found]
    if not names or len(set(names)) < len(names):
        raise InputError(f"held: sets {names}, but a run is judged on at least one, each of a name of its own.")
    return found


def _held(raw: dict[str, Any]) -> Held:
    held = Held(
        name=raw["name"],
        rows=tuple(raw["rows"]),
        sources=tuple(raw["sources"]),
        sums=np.asarray(raw["sums"], np.float64),
        tokens=np.asarray(raw["tokens"], np.float64),
        task=bool(raw.get("task", False)),
    )
    sizes = [len(part) for part in (held.rows, held.sources, held.sums, held.tokens)]
    if not sizes[0] or len(set(sizes)) > 1:
        raise InputError(
            f"{held.name}: {sizes} rows, sources, sums and tokens, but each held-out row has one of each. Run it again."
        )
    if not np.isfinite(held.sums).all():
        row = held.rows[int(np.flatnonzero(~np.isfinite(held.sums))[0])]
        raise InputError(f"{held.name}: the loss of row {row!r} is not finite: the tuning diverged. Run it again.")
    if held.tokens.min() < 1:
        row = held.rows[int(np.argmin(held.tokens))]
        raise InputError(
            f"{held.name}: row {row!r} has no supervised token, hence no loss. Leave it out of the held-out rows."
        )
    return held


def tokens_apart(ours: Sequence[ArmRun], theirs: Sequence[ArmRun]) -> float:
    """By what share the supervised tokens of `ours` lie above (or, negative, below) those of `theirs`; NaN of none."""
    mine, other = (sum(run.selection.supervised for run in runs) for runs in (ours, theirs))
    return (mine / len(ours)) / (other / len(theirs)) - 1 if other and ours else math.nan
