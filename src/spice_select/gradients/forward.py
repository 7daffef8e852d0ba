"""What forward passes alone tell of a batch: response losses, and the states that the output head sees."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spice_select.data.records import Example
from spice_select.gradients.batch import PaddedBatch, padded_ids
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.losses import token_losses
from spice_select.models.layers import output_head


def summed_losses(model: nn.Module, examples: Sequence[Example]) -> NDArray[np.float64]:
    """Each example's cross-entropy (nats), summed over its supervised tokens, float64 ``[b]``.

    Only the predicting positions go through the output head. Cost: one forward pass.

    Raises:
        InputError: as `PaddedBatch.of`.
    """
    batch = PaddedBatch.of(examples, next(model.parameters()).device)
    with torch.no_grad(), supervised_positions(model, batch):
        logits = model(input_ids=batch.input_ids, use_cache=False).logits.squeeze(0)
        losses = token_losses(logits, batch.targets).double()
    sums = torch.zeros(batch.size, dtype=torch.float64, device=losses.device)
    return sums.index_add_(0, batch.rows, losses).cpu().numpy()


def last_states(model: nn.Module, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """The hidden states that the output head sees, i.e. after the final norm, and the rows' lengths.

    Returns:
        ``[b, tokens, hidden]`` in the model's precision, padded on the right with what means nothing, and int64
        ``[b]``. Cost: one forward pass; no logits but one position's.
    """
    ids, lengths = padded_ids(examples, next(model.parameters()).device)
    with torch.no_grad(), _head_given_one_position(model) as seen:
        model(input_ids=ids, use_cache=False)
    return seen[0], lengths


@contextmanager
def _head_given_one_position(model: nn.Module) -> Iterator[list[Tensor]]:
    """What would have gone into the output head, which is given one position of it."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        seen.append(args[0])
        return (args[0][:1, :1], *args[1:])

    hook = output_head(model).module.register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        hook.remove()
