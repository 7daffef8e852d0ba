"""The proxy as it moves: loaded when needed, at the state it has after so many updates, checkpointed each time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from torch import Tensor

from spice_select.data.records import Sample
from spice_select.schedules.interleaved.plan import Plan
from spice_select.schedules.interleaved.steps import ProxyTrainer, Step, StepPieces
from spice_select.store import sum_path
from spice_select.store.tensors import load_tensors, save_tensors, whole_facts

KEPT = 2
"""Checkpoints kept: the newest, and the one before in case the newest is damaged."""


@dataclass(frozen=True)
class Checkpoints:
    """The proxy's states on disk: `cycle-00003.safetensors` is the state after three updates.

    Adapter, AdamW's moments and the log of all steps are in one file, with its SHA-256 beside it.

    Attributes:
        folder: where they lie.
        origin: what the run is made from; states of others do not count. None: any counts.
    """

    folder: Path
    origin: str | None = None

    def path(self, cycle: int) -> Path:
        return self.folder / f"cycle-{cycle:05d}.safetensors"

    def save(self, cycle: int, tensors: dict[str, Tensor], steps: Sequence[Step]) -> None:
        """Write a state and drop those that are no longer needed: all before but the newest, and all after it.

        Where later ones lie there the proxy is trained anew, and comes to them again.
        """
        facts = {"steps": [asdict(step) for step in steps], "origin": self.origin, "cycle": cycle}
        save_tensors(self.path(cycle), tensors, facts)
        there = sorted(self.folder.glob("cycle-*.safetensors"))
        kept = [path for path in there if path.name <= self.path(cycle).name][-KEPT:]
        for old in there:
            if old not in kept:
                sum_path(old).unlink(missing_ok=True)
                old.unlink()

    def newest(self, limit: int) -> int | None:
        """The highest cycle up to `limit` whose file is whole and of this run; None where there is none."""
        for path in sorted(self.folder.glob("cycle-*.safetensors"), reverse=True):
            cycle = path.stem.removeprefix("cycle-")
            if cycle.isdigit() and int(cycle) <= limit and self._is_own(int(cycle)):
                return int(cycle)
        return None

    def _is_own(self, cycle: int) -> bool:
        """A file's sum goes with it when it is copied or renamed; what it says of itself tells it from others."""
        facts = whole_facts(self.path(cycle))
        return facts is not None and self.origin in (None, facts.get("origin")) and facts.get("cycle") == cycle

    def load(self, cycle: int) -> tuple[dict[str, Tensor], list[Step]]:
        """A state that `newest` named, and the steps that led to it."""
        tensors, facts = load_tensors(self.path(cycle))
        return tensors, [Step(**step) for step in facts["steps"]]


@dataclass
class MovingProxy:
    """A proxy that is at the state a pool asks for.

    Updates are made when a later state is first asked for, from the picks that were entered, so a resumed run makes
    exactly those that are missing: from the newest whole checkpoint on.

    Attributes:
        open_trainer: loads the model with its adapter; called once, and only if something must be computed.
        plan: how picks are cut into steps.
        checkpoints: where states are kept.
        observe: told of each step made.
        pieces: who computes what the rows of the first step after a cycle contribute.
    """

    open_trainer: Callable[[], ProxyTrainer]
    plan: Plan
    checkpoints: Checkpoints
    observe: Callable[[Step], None] = lambda step: None
    pieces: Callable[[ProxyTrainer, int], StepPieces] = lambda trainer, cycle: trainer.own_pieces
    picks: dict[int, list[Sample]] = field(default_factory=dict)
    log: list[Step] = field(default_factory=list)
    _trainer: ProxyTrainer | None = None
    _cycle: int = 0

    def enter(self, cycle: int, examples: Sequence[Sample]) -> None:
        """Note the picks of a pool: the update that ends `cycle` will be made on them."""
        self.picks.setdefault(cycle, []).extend(examples)

    def at(self, cycle: int) -> ProxyTrainer:
        """The proxy after `cycle` updates, no fewer than were asked for before. Cost: those that are missing."""
        trainer = self._trainer or self._opened(cycle)
        assert self._cycle <= cycle, f"the proxy has had {self._cycle} updates and does not go back to {cycle}"
        while self._cycle < cycle:
            self._update(trainer)
        return trainer

    def _opened(self, cycle: int) -> ProxyTrainer:
        trainer = self.open_trainer()
        known = self.checkpoints.newest(cycle)
        if known is not None:
            tensors, self.log = self.checkpoints.load(known)
            trainer.restore(tensors, len(self.log))
            self._cycle = known
        self._trainer = trainer
        return trainer

    def _update(self, trainer: ProxyTrainer) -> None:
        examples = self.picks.get(self._cycle, [])
        for place, part in enumerate(self.plan.steps_of(self._cycle, len(examples))):
            pieces = self.pieces(trainer, self._cycle) if place == 0 else None
            step = trainer.step(examples[part], pieces)
            self.log.append(step)
            self.observe(step)
        self._cycle += 1
        self.checkpoints.save(self._cycle, trainer.state(), self.log)


def mean_loss(log: Sequence[Step], part: slice) -> float:
    """Mean over the supervised tokens of some steps; NaN for none."""
    steps = list(log)[part]
    tokens = sum(step.supervised for step in steps)
    return sum(step.loss * step.supervised for step in steps) / tokens if tokens else math.nan
