"""Where each row lies in the proxy's space: four means of its last hidden states, of one forward pass."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from spice_select.data.records import Example
from spice_select.features.forwards import ForwardFeature, block_of
from spice_select.features.poolings import POOLINGS, STATES, Pooling
from spice_select.gradients.forward import last_states
from spice_select.store import FeatureBlock


class HiddenStates(ForwardFeature):
    """The means of the last hidden states of every `Pooling`, side by side, each of length one. See `Feature`.

    States are those after the final norm. Columns: how long each mean was. Padding has no weight. Cost: one forward
    pass of every token; kept are 4·hidden float32 a row, 9 KB of a hidden size of 576.
    """

    name: ClassVar[str] = STATES
    summary: ClassVar[str] = "four means of a row's last hidden states on the proxy: a forward pass of each row"

    def measure(self, model: nn.Module, batch: Sequence[Example]) -> FeatureBlock:
        """See `ForwardFeature.measure`."""
        states, _ = last_states(model, batch)
        means = [pooled(states, padded_weights(pooling, batch)) for pooling in POOLINGS]
        return block_of(
            batch,
            {pooling.length: length for pooling, (_, length) in zip(POOLINGS, means, strict=True)},
            np.hstack([vectors for vectors, _ in means]),
        )


def padded_weights(pooling: Pooling, batch: Sequence[Example]) -> Tensor:
    """A pooling's weights of a batch's tokens, float32 ``[b, tokens]``, 0 beyond a row's end."""
    weights = torch.zeros(len(batch), max(example.num_tokens for example in batch))
    for own, example in zip(weights, batch, strict=True):
        own[: example.num_tokens] = torch.from_numpy(pooling.weights(example).astype(np.float32))
    return weights


def pooled(states: Tensor, weights: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Σ w·h / Σ w of each row: as vectors of length one, and how long it was; zeros where nothing has weight.

    Args:
        states: ``[b, tokens, hidden]``; where the weight is 0 anything, no number even.
        weights: float32 ``[b, tokens]``, whole numbers.

    Returns:
        float32 ``[b, hidden]`` and float64 ``[b]``.
    """
    weights = weights.to(states.device)
    known = states.float().masked_fill((weights == 0)[..., None], 0)
    mean = torch.einsum("bt,bth->bh", weights / weights.sum(1, keepdim=True).clamp(min=1), known)
    length = torch.linalg.vector_norm(mean, dim=1, keepdim=True)
    unit = mean / torch.where(length == 0, 1, length)
    return unit.cpu().numpy(), length[:, 0].double().cpu().numpy()
