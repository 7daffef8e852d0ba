"""The stage that computes a feature of every row: examples → features in parts on disk, resumable, each row once."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from spice_select.data.batches import plan_batches
from spice_select.data.records import Sample
from spice_select.executors.base import Executor, LocalExecutor, PartJob, Work
from spice_select.features.base import Compute, Feature
from spice_select.progress import Advance, Progress, Silent
from spice_select.store import FeatureBlock, PartStore

PART_TOKENS = 16384
"""Tokens in one part: what a crash can cost at most. About a minute of a small proxy on two CPU cores."""


def plan_parts(lengths: Sequence[int], *, batch_tokens: int) -> list[list[list[int]]]:
    """Group examples into batches, and batches into parts. A pair is one of them, and so never parted.

    A function of the lengths and `batch_tokens` alone, so that a resumed run computes the very same batches.

    Returns:
        Parts, each a list of batches, each a list of positions in `lengths`; every position exactly once.
    """
    parts: list[list[list[int]]] = []
    size = PART_TOKENS
    for batch in plan_batches(lengths, token_budget=batch_tokens):
        if size >= PART_TOKENS:
            parts.append([])
            size = 0
        parts[-1].append(batch)
        size += sum(lengths[position] for position in batch)
    return parts


@dataclass(frozen=True, kw_only=True)
class FeatureParts:
    """A feature of some examples, cut into parts: the `PartJob` of the process that has it all in memory.

    Attributes:
        examples: what to compute; the order decides the parts and must not change between a run and its resumption.
        feature: opened once, and only if a part is missing: a finished stage loads no model.
        store: where the parts lie.
        batch_tokens: tokens in a batch, padding included.
        progress: told the tokens done.
    """

    examples: Sequence[Sample]
    feature: Feature
    store: PartStore
    batch_tokens: int
    progress: Progress = field(default_factory=Silent)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _bars: list[Advance] = field(default_factory=list)

    def compute(self, executor: Executor | None = None, job: PartJob | None = None) -> int:
        """See to it that every part is in the store.

        Args:
            executor: who computes; this process, one part after the other, if not given.
            job: these parts in the form that executor takes; they themselves if not given.

        Returns:
            The number of parts.
        """
        missing = [number for number in range(len(self.parts)) if not self._there[number]]
        if self._done:
            there = len(self.parts) - len(missing)
            self.progress.note(f"Resuming: {there} of {len(self.parts)} parts of the {self.feature.name} are there.")
        if missing:
            with self._open:
                (executor or LocalExecutor()).run(missing, job or self, seen=self.seen)
        return len(self.parts)

    def open(self) -> Work:
        """Open the feature, begin the bar, and give what computes a part and puts it into the store."""
        compute = self.feature.open()
        name, total = self.feature.name.capitalize(), sum(self._sizes)
        self._bars.append(self._open.enter_context(self.progress.task(name, total, "tokens", done=self._done)))

        def work(number: int) -> None:
            self.store.write(number, compute_part(compute, self.examples, self.parts[number], self._bars[0]))

        return work

    def is_finished(self, part: int) -> bool:
        """Whether a part is in the store by now, whole and that of these examples. Costs a read of it."""
        return self.store.is_finished(part, due_in(self.examples, self.parts[part]))

    def seen(self, part: int) -> None:
        """Count a part that another process has finished."""
        self._bars[0](self._sizes[part])

    @cached_property
    def parts(self) -> list[list[list[int]]]:
        """See `plan_parts`."""
        return plan_parts([example.padded_tokens for example in self.examples], batch_tokens=self.batch_tokens)

    @cached_property
    def _sizes(self) -> list[int]:
        lengths = [example.num_tokens for example in self.examples]
        return [sum(lengths[position] for batch in part for position in batch) for part in self.parts]

    @cached_property
    def _there(self) -> list[bool]:
        """What was there at the beginning."""
        return [self.is_finished(number) for number in range(len(self.parts))]

    @property
    def _done(self) -> int:
        return sum(size for size, there in zip(self._sizes, self._there, strict=True) if there)


def due_in(examples: Sequence[Sample], part: list[list[int]]) -> dict[str, list[int]]:
    """What a part must hold, column by column, to be that of these examples; see `PartStore.is_finished`."""
    rows = [examples[position] for batch in part for position in batch]
    return {
        "row": [row.row for row in rows],
        "tokens": [row.num_tokens for row in rows],
        "supervised": [row.num_supervised for row in rows],
    }


def compute_part(
    compute: Compute, examples: Sequence[Sample], part: list[list[int]], advance: Callable[[int], None]
) -> FeatureBlock:
    """The batches of one part, one after the other. `part` holds positions in `examples`."""
    blocks = []
    for positions in part:
        batch = [examples[position] for position in positions]
        blocks.append(compute(batch))
        advance(sum(example.num_tokens for example in batch))
    return FeatureBlock.concatenate(blocks)


def features_in_memory(
    compute: Compute, examples: Sequence[Sample], *, batch_tokens: int, advance: Callable[[int], None]
) -> FeatureBlock:
    """A feature of the examples in their order, kept nowhere: for samples."""
    batches = plan_batches([example.padded_tokens for example in examples], token_budget=batch_tokens)
    block = compute_part(compute, examples, batches, advance)
    return block.take(np.argsort([position for batch in batches for position in batch]))
