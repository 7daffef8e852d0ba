"""A pool's gradients at the proxy's current state: from the disk where they are, computed and stored where not."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from spice_select.data.records import Sample
from spice_select.features.stage import due_in, plan_parts
from spice_select.progress import Advance, Progress
from spice_select.progress.clock import Clock
from spice_select.schedules.interleaved.bench import Bench, GradientWork
from spice_select.schedules.interleaved.hands import Hands
from spice_select.schedules.interleaved.moving import MovingProxy
from spice_select.schedules.interleaved.orders import GradientOrder, PartOrder
from spice_select.schedules.interleaved.plan import Plan, PlannedPool
from spice_select.schedules.interleaved.steps import Step
from spice_select.store import FeatureBlock, PartStore

Parts = dict[int, list[list[int]]]
"""Part number → its batches, each a list of places in the pool."""


class PoolGradients:
    """The gradients of all pools, each computed once.

    The last epoch's parts lie in the feature's folder itself, as a static run's do; those of earlier ones in
    ``epoch-000`` and on.

    Args:
        plan: the pools.
        examples: the corpus.
        bench: where parts are computed, and stored.
        hands: who computes them.
        batch_tokens: how many tokens make a batch.
        moving: the proxy, told who watches its steps.
        clock: told what went into gradients and what into training.
    """

    def __init__(
        self,
        plan: Plan,
        examples: Sequence[Sample],
        bench: Bench,
        hands: Hands,
        batch_tokens: int,
        moving: MovingProxy,
        clock: Clock,
    ) -> None:
        self._examples, self._plan = examples, plan
        self._bench, self._hands, self._moving, self._clock = bench, hands, moving, clock
        self._advance: Advance = lambda amount: None
        self._parts = self._number(batch_tokens)
        self._finished = {
            (pool.epoch, number): self._store(pool).is_finished(number, due_in(self._members(pool), part))
            for pool in plan.pools
            for number, part in self._parts[pool.number].items()
        }

    @property
    def parts(self) -> int:
        """Parts of the last epoch."""
        return sum(len(self._parts[pool.number]) for pool in self._plan.pools if pool.epoch == self._plan.epochs - 1)

    def of(self, pool: PlannedPool) -> FeatureBlock:
        """A pool's gradients, rows in ascending order.

        If any must be computed, the proxy is brought to the pool's state, and what all pools of its cycle lack is.
        """
        if not all(self._finished[pool.epoch, number] for number in self._parts[pool.number]):
            self._complete(pool.cycle)
        return self._store(pool).read(list(self._parts[pool.number]))

    def _complete(self, cycle: int) -> None:
        """Compute what a cycle's pools lack: they are all seen by the proxy in one state."""
        missing = [
            (pool, number)
            for pool in self._plan.pools
            if pool.cycle == cycle
            for number in self._parts[pool.number]
            if not self._finished[pool.epoch, number]
        ]
        order = GradientOrder(cycle=cycle, parts=[self._ordered(pool, number) for pool, number in missing])
        work = GradientWork(order=order, bench=self._bench, advance=lambda tokens: self._advance(tokens))
        with self._clock("training"):
            self._bench.at(cycle)
        with self._clock("gradients"):
            self._hands.gradients(work, lambda place: self._advance(work.tokens(place)))
        self._finished |= {(pool.epoch, number): True for pool, number in missing}

    def _ordered(self, pool: PlannedPool, number: int) -> PartOrder:
        members = self._members(pool)
        batches = [[members[place].row for place in batch] for batch in self._parts[pool.number][number]]
        return PartOrder(epoch=self._epoch(pool.epoch), number=number, batches=batches)

    def _epoch(self, epoch: int) -> int | None:
        """As orders and stores name it."""
        return None if epoch == self._plan.epochs - 1 else epoch

    def _store(self, pool: PlannedPool) -> PartStore:
        return self._bench.store(self._epoch(pool.epoch))

    def read(self) -> FeatureBlock:
        """All rows at the last epoch, in ascending order."""
        return self._bench.store(None).read(self.parts)

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
