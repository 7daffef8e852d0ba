"""Out of memory in the middle of a corpus: the batch is halved and the run goes on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from spice_select.data.records import Example
from spice_select.errors import InputError
from spice_select.gradients.base import BatchGradients, Engine


def features_within_memory(engine: Engine, model: nn.Module, examples: Sequence[Example]) -> BatchGradients:
    """`Engine.features`, computed in halves (and halves of these) wherever the whole does not fit in memory.

    A row's numbers are the same up to rounding; the last bits depend on the batch it was computed in, so a run that
    must be repeated bit for bit should set a token budget that fits.

    Raises:
        InputError: a single row does not fit.
    """
    try:
        return engine.features(model, examples)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        if len(examples) == 1:
            raise InputError(
                f"row {examples[0].row} ({examples[0].num_tokens} tokens) does not fit in memory by itself: cut rows "
                "shorter with --max-length, use a smaller proxy, or the last layers alone"
            ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # the failed batch is gone once the except clause is left
    middle = len(examples) // 2
    halves = [features_within_memory(engine, model, half) for half in (examples[:middle], examples[middle:])]
    return BatchGradients(
        features=np.concatenate([half.features for half in halves]),
        losses=np.concatenate([half.losses for half in halves]),
        norms=np.concatenate([half.norms for half in halves]),
    )


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory: its own exception on a GPU, a RuntimeError of the CPU's allocator or cuBLAS."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in _SIGNS)


_SIGNS = ("DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
