"""The stage that computes a feature of every row: examples → features in parts on disk, resumable, each row once."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from spice_select.data.batches import plan_batches
from spice_select.data.records import Sample
from spice_select.errors import InputError
from spice_select.executors.base import Batches, Executor, LocalExecutor, PartJob, Receipt, Work
from spice_select.features.base import Compute, Feature
from spice_select.progress import Advance, Progress, Silent
from spice_select.store import FeatureBlock, PartStore

PART_TOKENS = 16384
"""Tokens in the smallest part: what a crash can cost at most. About a minute of a small proxy on two CPU cores."""
_BATCH, _MANY, _LARGEST = 2048, 8192, 16


def part_tokens(tokens: int, *, batch_tokens: int) -> int:
    """Tokens in one part, so that it takes seconds on a GPU as well, and so that no corpus has endless parts.

    As many times `PART_TOKENS` as a batch is larger than a CPU's, or as there would be times 8192 parts; 16 times at
    most. Tokens and batch are in a run's identity, so whoever resumes or helps comes to the same.
    """
    times = max(batch_tokens // _BATCH, -(-tokens // (PART_TOKENS * _MANY)), 1)
    return PART_TOKENS * min(times, _LARGEST)


def plan_parts(lengths: Sequence[int], *, batch_tokens: int) -> list[list[list[int]]]:
    """Group examples into batches, and batches into parts. A pair is one of them, and so never parted.

    A function of the lengths and `batch_tokens` alone, so that a resumed run computes the very same batches.

    Returns:
        Parts, each a list of batches, each a list of positions in `lengths`; every position exactly once.
    """
    parts: list[list[list[int]]] = []
    size = full = part_tokens(sum(lengths), batch_tokens=batch_tokens)
    for batch in plan_batches(lengths, token_budget=batch_tokens):
        if size >= full:
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
        prepared: whether what the feature is made with (a warm-up) is there; its opening makes it.
    """

    examples: Sequence[Sample]
    feature: Feature
    store: PartStore
    batch_tokens: int
    progress: Progress = field(default_factory=Silent)
    prepared: Callable[[], bool] = lambda: True
    _shown: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

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
            with self._shown:
                (executor or LocalExecutor()).run(missing, job or self, seen=self.seen)
        return len(self.parts)

    def open(self) -> Work:
        """Open the feature, begin the bar, and give what computes a part and puts it into the store."""
        return _PartWork(self.feature.open(), self, self._bar)

    def prepare(self) -> None:
        """See `PartJob.prepare`."""
        if not self.prepared():
            self.feature.open()

    def is_finished(self, part: int) -> bool:
        """Whether a part is in the store by now, whole and that of these examples. Costs a read of it."""
        return self.store.is_finished(part, due_in(self.examples, self.parts[part]))

    def seen(self, part: int) -> None:
        """Count a part that another process has finished."""
        self._bar(self._sizes[part])

    def batches(self, part: int) -> list[list[int]]:
        """See `PartJob.batches`."""
        return [[self.examples[position].row for position in batch] for batch in self.parts[part]]

    @cached_property
    def _bar(self) -> Advance:
        """Begun when it is first needed: what is loaded before has a display of its own."""
        name, total = self.feature.name.capitalize(), sum(self._sizes)
        return self._shown.enter_context(self.progress.task(name, total, "tokens", done=self._done))

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


@dataclass(frozen=True)
class _PartWork:
    """The `Work` of an open feature.

    Attributes:
        compute: the feature of a batch.
        parts: what is cut into parts.
        advance: told the tokens done.
    """

    compute: Compute
    parts: FeatureParts
    advance: Advance

    def __call__(self, part: int, batches: Batches | None = None, *, keep: bool = True) -> Receipt:
        """See `Work`."""
        began, known = time.perf_counter(), self.parts
        examples, planned = known.examples, known.parts[part]
        place = {examples[position].row: position for batch in planned for position in batch}
        asked = planned if batches is None else [[place[row] for row in batch] for batch in batches]
        digest, size = "", 0
        if keep:
            digest = known.store.write(part, self._block(planned, asked))
            size = known.store.size(part)
        elif asked:
            compute_part(self.compute, examples, asked, self.advance)
        tokens = sum(examples[position].num_tokens for batch in asked for position in batch)
        return Receipt(
            part=part,
            file=known.store.name(part),
            bytes=size,
            sha256=digest,
            rows=len(place),
            tokens=tokens,
            seconds=time.perf_counter() - began,
        )

    def _block(self, planned: list[list[int]], asked: list[list[int]]) -> FeatureBlock:
        """The part's rows in the order planned; those that were not asked for with no number."""
        examples, compute = self.parts.examples, self.compute
        if asked is planned:
            return compute_part(compute, examples, planned, self.advance)
        order = [position for batch in planned for position in batch]
        there = {position for batch in asked for position in batch}
        left_out = [examples[position] for position in order if position not in there]
        blocks = [compute_part(compute, examples, asked, self.advance)] if asked else []
        if left_out:
            like = blocks[0] if blocks else compute([_shortest_beside(examples, order)])
            blocks.append(_uncomputed(left_out, like))
        block = FeatureBlock.concatenate(blocks)
        wanted = {examples[position].row: place for place, position in enumerate(order)}
        return block.take(np.argsort([wanted[row] for row in block.rows.tolist()]))


def _shortest_beside(examples: Sequence[Sample], part: list[int]) -> Sample:
    """A row of another part, to see from it what columns a feature has."""
    others = set(range(len(examples))) - set(part)
    if not others:
        raise InputError("no row of the corpus could be computed: every process that tried one died of it.")
    return examples[min(others, key=lambda position: examples[position].num_tokens)]


def _uncomputed(examples: Sequence[Sample], like: FeatureBlock) -> FeatureBlock:
    """Rows that kill whoever computes them, in the columns of others: NaN, and a vector of zeros."""
    count = len(examples)
    known = {"tokens": [row.num_tokens for row in examples], "supervised": [row.num_supervised for row in examples]}
    columns = {
        name: np.array(known[name] if name in known else np.full(count, _none(column.dtype)), column.dtype)
        for name, column in like.columns.items()
    }
    return FeatureBlock(
        rows=np.array([row.row for row in examples], np.int64),
        columns=columns,
        finite=np.zeros(count, bool),
        features=np.zeros((count, like.dim), np.float32) if like.dim else like.features,
        weights=like.weights,
        killers=frozenset(row.row for row in examples),
    )


def _none(kind: np.dtype) -> float:
    return float("nan") if kind.kind == "f" else 0


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
