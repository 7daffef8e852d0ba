"""The response loss of rows under a model: forward passes only, the logits at supervised positions alone."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.gradients.forward import summed_losses
from spice_select.gradients.lengths import refuse_long_rows
from spice_select.gradients.memory import within_memory
from spice_select.progress import Progress, Silent

_REMEDY = "cut rows shorter with --max-length"


def response_losses(
    model: nn.Module, examples: Sequence[Example], *, batch_tokens: int, progress: Progress | None = None
) -> NDArray[np.float64]:
    """Each example's cross-entropy, summed over its supervised tokens.

    Batches are bucketed by length; one that does not fit in memory is halved. The model is left in the mode it came.

    Args:
        model: a causal language model, or a PEFT model around one.
        examples: rows to judge.
        batch_tokens: tokens in a batch, padding included.
        progress: told the tokens done.

    Returns:
        float64 ``[n]`` in nats, in the order of `examples`. Cost: one forward pass of all tokens.

    Raises:
        InputError: an example without a supervised token, with one that the model has no row for, longer than it has
            positions for, or one that does not fit in memory by itself.
    """
    refuse_long_rows(model, examples)
    lengths = [example.num_tokens for example in examples]
    sums = np.empty(len(examples), np.float64)
    training = model.training
    model.eval()
    try:
        with (progress or Silent()).task("Held-out loss", sum(lengths), "tokens") as advance:
            for positions in plan_batches(lengths, token_budget=batch_tokens):
                batch = [examples[position] for position in positions]
                found = within_memory(partial(summed_losses, model), batch, remedy=_REMEDY)
                sums[positions] = np.concatenate(found)
                advance(sum(lengths[position] for position in positions))
    finally:
        model.train(training)
    return sums
