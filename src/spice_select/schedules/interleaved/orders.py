"""What processes that share a moving proxy are asked for: a cycle's gradients, then the pieces of the update after it.

The first process writes an order into the run folder, the others find it there; both know from the order alone which
rows go together. Orders say what is to be done, not who does it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spice_select.store import make_folder, write_text


@dataclass(frozen=True, kw_only=True, slots=True)
class PartOrder:
    """A part of the gradients.

    Attributes:
        epoch: which pass over the corpus it belongs to; None for the last.
        number: its own, within that pass.
        batches: rows that are computed together.
    """

    epoch: int | None
    number: int
    batches: Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class GradientOrder:
    """Parts of the gradients at the state after so many updates."""

    cycle: int
    parts: Sequence[PartOrder]


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateOrder:
    """The first optimiser step of the update that ends a cycle.

    Attributes:
        cycle: updates that the proxy has behind it.
        supervised: tokens trained on in the whole step; of pairs, how many there are.
        pieces: the rows of each.
    """

    cycle: int
    supervised: int
    pieces: Sequence[Sequence[int]]


Order = GradientOrder | UpdateOrder


@dataclass(frozen=True)
class Board:
    """Where the newest order hangs.

    Attributes:
        folder: of the orders of a run.
    """

    folder: Path

    def put(self, order: Order) -> None:
        """Hang it up in place of the one before."""
        known = self._numbers()
        make_folder(self.folder)
        kind = "update" if isinstance(order, UpdateOrder) else "gradients"
        write_text(self._path(max(known, default=-1) + 1), json.dumps({"kind": kind, **asdict(order)}))
        for number in known:
            self._path(number).unlink(missing_ok=True)

    def newest(self) -> tuple[int, Order] | None:
        """The order that hangs there and its number; None before the first."""
        for number in sorted(self._numbers(), reverse=True):
            try:
                return number, _order(json.loads(self._path(number).read_text(encoding="utf-8")))
            except FileNotFoundError:  # another one took its place meanwhile
                continue
        return None

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdigit()]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"


def _order(content: dict[str, Any]) -> Order:
    kind = content.pop("kind")
    if kind == "update":
        return UpdateOrder(**content)
    return GradientOrder(cycle=content["cycle"], parts=[PartOrder(**part) for part in content["parts"]])
