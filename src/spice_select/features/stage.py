"""The gradient stage: examples → features in parts on disk, resumable, each row computed once."""

import contextlib
from collections.abc import Callable, Sequence

import numpy as np

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.executors.base import Executor, LocalExecutor, Work
from spice_select.gradients.base import BatchGradients
from spice_select.progress import Advance, Progress, Silent
from spice_select.store import FeatureBlock, PartStore

Gradients = Callable[[Sequence[Example]], BatchGradients]
"""An engine bound to its model."""

PART_TOKENS = 16384
"""Tokens in one part: what a crash can cost at most. About a minute of a small proxy on two CPU cores."""


def plan_parts(lengths: Sequence[int], *, batch_tokens: int) -> list[list[list[int]]]:
    """Group examples into batches, and batches into parts.

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


def compute_features(
    examples: Sequence[Example],
    open_engine: Callable[[], Gradients],
    store: PartStore,
    *,
    batch_tokens: int,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> tuple[int, FeatureBlock]:
    """Features of all examples, from the store where a part is finished, computed and stored where not.

    Args:
        examples: what to compute; the order decides the parts and must not change between a run and its resumption.
        open_engine: called once, and only if a part is missing: a finished stage loads no model.
        store: where the parts lie.
        batch_tokens: tokens in a batch, padding included.
        progress: told the tokens done.
        executor: who computes the parts; this process, one after the other, if not given.

    Returns:
        The number of parts, and one block of all rows, ordered by row number.
    """
    parts = compute_parts(examples, open_engine, store, batch_tokens=batch_tokens, progress=progress, executor=executor)
    return parts, store.read(parts)


def compute_parts(
    examples: Sequence[Example],
    open_engine: Callable[[], Gradients],
    store: PartStore,
    *,
    batch_tokens: int,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> int:
    """`compute_features` without reading them back; returns the number of parts."""
    progress = progress or Silent()
    lengths = [example.num_tokens for example in examples]
    parts = plan_parts(lengths, batch_tokens=batch_tokens)
    sizes = [sum(lengths[position] for batch in part for position in batch) for part in parts]
    due = [due_in(examples, part) for part in parts]
    finished = [store.is_finished(number, rows) for number, rows in enumerate(due)]
    done = sum(size for size, there in zip(sizes, finished, strict=True) if there)
    if done:
        progress.note(f"Resuming: {sum(finished)} of {len(parts)} parts of the gradients are already there.")
    missing = [number for number, there in enumerate(finished) if not there]
    with contextlib.ExitStack() as stack:

        def open_work() -> Work:
            engine = open_engine()
            advance = stack.enter_context(progress.task("Gradients", sum(sizes), "tokens", done=done))
            advances.append(advance)
            return lambda number: store.write(number, compute_part(engine, examples, parts[number], advance))

        advances: list[Advance] = []
        if missing:
            (executor or LocalExecutor()).run(
                missing,
                open_work,
                finished=lambda number: store.is_finished(number, due[number]),
                seen=lambda number: advances[0](sizes[number]),
            )
    return len(parts)


def due_in(examples: Sequence[Example], part: list[list[int]]) -> dict[str, list[int]]:
    """What a part must hold, column by column, to be that of these examples; see `PartStore.is_finished`."""
    rows = [examples[position] for batch in part for position in batch]
    return {
        "row": [row.row for row in rows],
        "tokens": [row.num_tokens for row in rows],
        "supervised": [row.num_supervised for row in rows],
    }


def compute_part(
    engine: Gradients, examples: Sequence[Example], part: list[list[int]], advance: Callable[[int], None]
) -> FeatureBlock:
    """The batches of one part, one after the other. `part` holds positions in `examples`."""
    blocks = []
    for positions in part:
        batch = [examples[position] for position in positions]
        blocks.append(_block(engine, batch))
        advance(sum(example.num_tokens for example in batch))
    return FeatureBlock.concatenate(blocks)


def _block(engine: Gradients, batch: Sequence[Example]) -> FeatureBlock:
    gradients = engine(batch)
    return FeatureBlock(
        rows=np.array([example.row for example in batch], np.int64),
        features=np.where(gradients.finite[:, None], gradients.features, np.float32(0)),
        losses=gradients.losses,
        norms=gradients.norms,
        tokens=np.array([example.num_tokens for example in batch], np.int64),
        supervised=np.array([example.num_supervised for example in batch], np.int64),
        finite=gradients.finite,
    )
