"""Out of memory in the middle of a corpus: the batch is halved and the run goes on."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import nn

from spice_select.data.records import Sample
from spice_select.errors import InputError
from spice_select.gradients.base import BatchGradients, Engine

_T = TypeVar("_T")
_Row = TypeVar("_Row", bound=Sample)
_REMEDY = "cut rows shorter with --max-length, use a smaller proxy, or the last layers alone"


def features_within_memory(engine: Engine, model: nn.Module, examples: Sequence[Sample]) -> BatchGradients:
    """`Engine.features`, in halves where the whole does not fit in memory. Raises InputError as `within_memory`."""
    parts = within_memory(lambda batch: engine.features(model, batch), examples, remedy=_REMEDY)
    return parts[0] if len(parts) == 1 else BatchGradients.concatenate(parts)


def within_memory(compute: Callable[[Sequence[_Row]], _T], examples: Sequence[_Row], *, remedy: str) -> list[_T]:
    """What `compute` makes of some rows, in halves (and halves of these) wherever the whole does not fit in memory.

    A row's numbers are the same up to rounding; the last bits depend on the batch it was computed in, so a run that
    must be repeated bit for bit should set a token budget that fits.

    Args:
        compute: works on a batch of rows.
        examples: the batch.
        remedy: what a person can do where a single row does not fit.

    Returns:
        One result for each batch that did fit, in the order of the rows.

    Raises:
        InputError: a single row does not fit.
    """
    try:
        return [compute(examples)]
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if len(examples) == 1:
            raise InputError(
                f"row {examples[0].row} ({examples[0].num_tokens} tokens) does not fit in memory by itself: {remedy}"
            ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the failed batch is gone once the except clause is left
    middle = len(examples) // 2
    halves = [within_memory(compute, half, remedy=remedy) for half in (examples[:middle], examples[middle:])]
    return [result for half in halves for result in half]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory: its own exception on a GPU, a RuntimeError of the CPU's allocator or cuBLAS."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in _SIGNS)


_SIGNS = ("DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
