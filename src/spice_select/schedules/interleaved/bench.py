"""How an order is carried out, by whichever process: its parts of the gradients, its pieces of an update."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from spice_select.data.records import Sample
from spice_select.features.stage import compute_part, due_in
from spice_select.models.folding import folded
from spice_select.progress import Advance
from spice_select.run import files as outputs
from spice_select.run.origin import origin_of
from spice_select.run.settings import SelectSettings
from spice_select.schedules.interleaved.opening import MovingGradients
from spice_select.schedules.interleaved.orders import GradientOrder, PartOrder, UpdateOrder
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepPiece
from spice_select.store import PartStore
from spice_select.store.tensors import load_tensors, save_tensors, whole_facts

PROXY = "proxy"
"""The folder of a run that its moving proxy lies in."""


@dataclass(eq=False)
class Bench:
    """What a process needs to carry out orders.

    Attributes:
        folder: of the run.
        identity: of the run.
        examples: row number → example.
        settings: of the run.
        at: the proxy after so many updates.
    """

    folder: Path
    identity: Mapping[str, Any]
    examples: Mapping[int, Sample]
    settings: SelectSettings
    at: Callable[[int], ProxyTrainer]
    _engine: MovingGradients | None = None
    _stores: dict[int | None, PartStore] = field(default_factory=dict)

    @cached_property
    def origin(self) -> str:
        """What the run is made from; see `origin_of`."""
        return origin_of(self.identity)

    def engine(self, cycle: int) -> tuple[ProxyTrainer, MovingGradients]:
        """The proxy at a state, and its gradients there."""
        trainer = self.at(cycle)
        self._engine = self._engine or MovingGradients(self.settings, trainer)
        return trainer, self._engine

    def store(self, epoch: int | None) -> PartStore:
        """Where the gradients of a pass over the corpus lie; None for the last."""
        if epoch not in self._stores:  # one for each, which remembers what it has found whole
            folder = self.folder / outputs.FEATURES
            place = folder if epoch is None else folder / f"epoch-{epoch:03d}"
            self._stores[epoch] = PartStore(place, origin_of(self.identity, epoch=epoch))
        return self._stores[epoch]

    def rows(self, numbers: Sequence[int]) -> list[Sample]:
        """Rows by their numbers."""
        return [self.examples[number] for number in numbers]


@dataclass(frozen=True, kw_only=True)
class GradientWork:
    """The parts of a `GradientOrder`."""

    order: GradientOrder
    bench: Bench
    advance: Advance = lambda tokens: None

    def open(self) -> Callable[[int], None]:
        """What computes a part, by its place in the order, and stores it."""
        trainer, engine = self.bench.engine(self.order.cycle)

        def work(place: int) -> None:
            part = self.order.parts[place]
            members, batches = self._members(part)
            engine.prepare([[members[place] for place in batch] for batch in batches])
            with folded(trainer.model):
                block = compute_part(engine, members, batches, self.advance)
            self.bench.store(part.epoch).write(part.number, block)

        return work

    def is_finished(self, place: int) -> bool:
        """Whether a part is stored."""
        part = self.order.parts[place]
        return self.bench.store(part.epoch).is_finished(part.number, due_in(*self._members(part)))

    def tokens(self, place: int) -> int:
        """Tokens of a part."""
        return sum(example.num_tokens for example in self._members(self.order.parts[place])[0])

    def _members(self, part: PartOrder) -> tuple[list[Sample], list[list[int]]]:
        """The rows of a part, and its batches as positions in them."""
        members, batches = list[Sample](), []
        for batch in part.batches:
            batches.append(list(range(len(members), len(members) + len(batch))))
            members += self.bench.rows(batch)
        return members, batches


@dataclass(frozen=True, kw_only=True)
class PieceWork:
    """The pieces of an `UpdateOrder`, through files: for processes that share them."""

    order: UpdateOrder
    bench: Bench

    def open(self) -> Callable[[int], None]:
        """What computes a piece, by its place in the order, and stores it."""
        trainer = self.bench.at(self.order.cycle)

        def work(place: int) -> None:
            rows = self.order.pieces[place]
            piece = trainer.piece(self.bench.rows(rows), self.order.supervised, place)
            save_tensors(self._path(place), piece.gradient, {**self._facts(place), "loss": piece.loss})

        return work

    def is_finished(self, place: int) -> bool:
        """Whether a piece is stored."""
        facts = whole_facts(self._path(place))
        return facts is not None and {**facts, "loss": None} == {**self._facts(place), "loss": None}

    def read(self, place: int) -> StepPiece:
        """A stored piece."""
        gradient, facts = load_tensors(self._path(place))
        return StepPiece(float(facts["loss"]), gradient)

    @property
    def folder(self) -> Path:
        """Where the pieces of this update lie."""
        return self.bench.folder / PROXY / "pieces" / f"cycle-{self.order.cycle:05d}"

    def _facts(self, place: int) -> dict[str, Any]:
        """What a piece says of itself, its loss aside."""
        rows = list(self.order.pieces[place])
        return {"origin": self.bench.origin, "cycle": self.order.cycle, "rows": rows}

    def _path(self, place: int) -> Path:
        return self.folder / f"piece-{place:02d}.safetensors"
