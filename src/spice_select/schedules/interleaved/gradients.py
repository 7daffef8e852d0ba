"""A pool's gradients at the proxy's current state: from the disk where they are, computed and stored where not."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from spice_select.data.records import Sample
from spice_select.features.base import Compute
from spice_select.features.proxy import Proxy
from spice_select.features.referenced import Referenced
from spice_select.features.stage import compute_part, due_in, plan_parts
from spice_select.models.folding import folded
from spice_select.progress import Advance, Progress
from spice_select.progress.clock import Clock
from spice_select.run.settings import SelectSettings
from spice_select.schedules.interleaved.moving import MovingProxy
from spice_select.schedules.interleaved.opening import open_engine
from spice_select.schedules.interleaved.plan import Plan, PlannedPool
from spice_select.schedules.interleaved.steps import ProxyTrainer, Step
from spice_select.store import FeatureBlock, PartStore

Parts = dict[int, list[list[int]]]
"""Part number → its batches, each a list of places in the pool."""


class PoolGradients:
    """The gradients of all pools, each computed once.

    The last epoch's parts lie in `folder` itself, as a static run's do; those of earlier ones in ``epoch-000`` and on.

    Args:
        folder: where the parts lie.
        origins: for each epoch, what its gradients are made from.
        examples: the corpus.
        plan: its pools.
        settings: of the gradients.
        proxy: says how many tokens make a batch.
        moving: the proxy, brought to a pool's state before its gradients are taken.
        clock: told what went into gradients and what into training.
    """

    def __init__(
        self,
        folder: Path,
        origins: Sequence[str],
        examples: Sequence[Sample],
        plan: Plan,
        settings: SelectSettings,
        proxy: Proxy,
        moving: MovingProxy,
        clock: Clock,
    ) -> None:
        self._examples, self._plan = examples, plan
        places = [*(folder / f"epoch-{epoch:03d}" for epoch in range(plan.epochs - 1)), folder]
        self._stores = [PartStore(place, origin) for place, origin in zip(places, origins, strict=True)]
        self._settings, self._moving, self._clock = settings, moving, clock
        self._engine: Compute | None = None
        self._advance: Advance = lambda amount: None
        self._parts = self._number(proxy.batch_tokens(settings.gradients))
        self._finished = {
            (pool.epoch, number): self._stores[pool.epoch].is_finished(number, due_in(self._members(pool), part))
            for pool in plan.pools
            for number, part in self._parts[pool.number].items()
        }

    @property
    def parts(self) -> int:
        """Parts of the last epoch."""
        return sum(len(self._parts[pool.number]) for pool in self._plan.pools if pool.epoch == self._plan.epochs - 1)

    def of(self, pool: PlannedPool) -> FeatureBlock:
        """A pool's gradients, rows in ascending order. Brings the proxy to the pool's state if any must be computed."""
        store, parts = self._stores[pool.epoch], self._parts[pool.number]
        missing = [number for number in parts if not self._finished[pool.epoch, number]]
        if missing:
            with self._clock("training"):
                trainer = self._moving.at(pool.cycle)
            self._engine = self._engine or open_engine(self._settings, trainer)
            members = self._members(pool)
            with self._clock("gradients"):
                for number in missing:  # inside the fold the LoRA is in the weights, and cannot be turned off
                    _know(trainer, members, parts[number])
            with self._clock("gradients"), folded(trainer.model):
                for number in missing:
                    store.write(number, compute_part(self._engine, members, parts[number], self._advance))
                    self._finished[pool.epoch, number] = True
        block = store.read(list(parts))
        self._moving.know(block)
        return block

    def read(self) -> FeatureBlock:
        """All rows at the last epoch, in ascending order."""
        return self._stores[-1].read(self.parts)

    @contextlib.contextmanager
    def shown(self, progress: Progress) -> Iterator[None]:
        """Show a bar over all tokens: gradients of all pools, and the training on what is picked from them."""
        sizes = {pool.number: [example.num_tokens for example in self._members(pool)] for pool in self._plan.pools}
        done, whole = 0, 0
        for pool in self._plan.pools:
            for number, batches in self._parts[pool.number].items():
                tokens = sum(sizes[pool.number][place] for batch in batches for place in batch)
                whole += tokens
                done += tokens if self._finished[pool.epoch, number] else 0
        if done:
            there = sum(self._finished.values())
            progress.note(f"Resuming: {there} of {len(self._finished)} parts of the gradients are already there.")
        picked = sum(pool.share for pool in self._plan.pools) / sum(len(pool.positions) for pool in self._plan.pools)
        with progress.task("Interleaved", whole + round(picked * whole), "tokens", done=done) as advance:
            self._advance = advance
            self._moving.observe = _teller(progress, advance, self._plan.total_steps)
            yield

    def _members(self, pool: PlannedPool) -> list[Sample]:
        return [self._examples[position] for position in pool.positions]

    def _number(self, batch_tokens: int) -> dict[int, Parts]:
        """Parts numbered through each epoch."""
        numbered, start, epoch = {}, 0, 0
        for pool in self._plan.pools:
            if pool.epoch != epoch:
                start, epoch = 0, pool.epoch
            lengths = [example.padded_tokens for example in self._members(pool)]
            parts = plan_parts(lengths, batch_tokens=batch_tokens)
            numbered[pool.number] = dict(enumerate(parts, start))
            start += len(parts)
        return numbered


def _know(trainer: ProxyTrainer, members: Sequence[Sample], part: list[list[int]]) -> None:
    """Find what the pairs of a part are held against, in its batches, so that a resumed run finds the same bits."""
    for batch in part:
        Referenced.of(trainer.reference, trainer.model, [members[position] for position in batch])


def _teller(progress: Progress, advance: Advance, planned: int) -> Callable[[Step], None]:
    """Count a step's tokens, and say every tenth of the way how the proxy's training goes."""
    every = max(1, planned // 10)

    def tell(step: Step) -> None:
        advance(step.tokens)
        if (step.step + 1) % every == 0:
            progress.note(
                f"Step {step.step + 1} of {planned}: loss {step.loss:.3f}, gradient norm {step.gradient_norm:.3f}, "
                f"rate {step.rate:.2g}"
            )

    return tell
