"""Out of memory in the middle of a corpus: the batch is halved and the run goes on."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch

from spice_select.errors import InputError


class _Example(Protocol):
    """What must be known of a row to name it."""

    @property
    def row(self) -> int: ...
    @property
    def num_tokens(self) -> int: ...


_E = TypeVar("_E", bound=_Example)
_T = TypeVar("_T")


def within_memory(compute: Callable[[Sequence[_E]], _T], examples: Sequence[_E], *, remedy: str) -> list[_T]:
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
