"""Where each row lies in the proxy's space: a mean of its last hidden states (Ivison et al. 2025, arXiv 2503.01807)."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from spice_select.data.records import Example
from spice_select.features.forwards import ForwardFeature, block_of
from spice_select.gradients.forward import last_states
from spice_select.store import FeatureBlock


class HiddenStates(ForwardFeature):
    """The position-weighted mean of the last hidden states, of length one. See `Feature`.

    e = Σ t·h_t / Σ t over all the row's tokens, prompt and template included; t counts from 1, h_t is the state after
    the final norm. Padding has no weight. Cost: one forward pass of every token.
    """

    name: ClassVar[str] = "states"
    summary: ClassVar[str] = "the mean of a row's last hidden states on the proxy, later tokens heavier: a forward pass"

    def measure(self, model: nn.Module, batch: Sequence[Example]) -> FeatureBlock:
        """See `ForwardFeature.measure`."""
        return block_of(batch, {}, weighted_mean(*last_states(model, batch)).cpu().numpy())


def weighted_mean(states: Tensor, lengths: Tensor) -> Tensor:
    """Σ t·h_t / Σ t of each row, scaled to length one, float32 ``[b, hidden]``.

    Args:
        states: ``[b, tokens, hidden]``; beyond a row's length anything.
        lengths: int64 ``[b]``.
    """
    places = torch.arange(1, states.shape[1] + 1, device=states.device)
    weights = torch.where(places <= lengths[:, None], places, 0).float()
    known = states.float().masked_fill((weights == 0)[..., None], 0)  # what is beyond may be no number
    mean = torch.einsum("bt,bth->bh", weights / weights.sum(1, keepdim=True), known)
    return mean / torch.linalg.vector_norm(mean, dim=1, keepdim=True)
