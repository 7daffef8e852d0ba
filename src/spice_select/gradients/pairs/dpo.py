"""DPO's loss of pairs on a LoRA that moves: its reference is the model with the LoRA turned off."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from spice_select.data.records import PairExample
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.losses import token_losses
from spice_select.gradients.pairs.base import PairGradient
from spice_select.gradients.pairs.signed import signed_weights
from spice_select.models.lora import adapters_off


def pair_margins(model: nn.Module, pairs: Sequence[PairExample], gradient: PairGradient) -> Tensor:
    """Σ w log π(y⁺|x) − Σ w log π(y⁻|x) of each pair, float32 ``[b]``, differentiable. Cost: a forward pass."""
    batch = PaddedBatch.of(pairs, next(model.parameters()).device)
    with supervised_positions(model, batch):
        logits = model(input_ids=batch.input_ids, use_cache=False).logits.squeeze(0)
    weighted = token_losses(logits, batch.targets) * signed_weights(batch, gradient)
    return torch.zeros(batch.size, device=weighted.device).index_add(0, batch.owners, weighted)


@dataclass(frozen=True, slots=True)
class DpoReference:
    """What pairs are held against: their margins under the model without its LoRA.

    Attributes:
        gradient: how tokens are weighed.
        beta: how dear it is to leave the reference.
    """

    gradient: PairGradient
    beta: float = 0.1

    def margins(self, model: nn.Module, pairs: Sequence[PairExample]) -> NDArray[np.float64]:
        """Those of these pairs, float64 ``[b]``. Cost: a forward pass."""
        with torch.no_grad(), adapters_off(model):
            return pair_margins(model, pairs, self.gradient).double().cpu().numpy()

    def losses(self, model: nn.Module, pairs: Sequence[PairExample]) -> Tensor:
        """−log σ(βΔ) of each pair, float32 ``[b]``, differentiable; Δ is the margin less the reference's.

        Source: Rafailov et al. 2023 (arXiv 2305.18290), equation 7.
        """
        held = torch.from_numpy(self.margins(model, pairs))
        moved = pair_margins(model, pairs, self.gradient)
        return functional.softplus(-self.beta * (moved - held.to(moved)))

    def weights(self, margins: NDArray[np.float64], held: NDArray[np.float64]) -> NDArray[np.float64]:
        """2σ(−βΔ): what a pair's vector is multiplied by, float64 ``[b]``; 1 at the reference. DPO's gradient is
        −βσ(−βΔ)·v.
        """
        exponent = np.clip(self.beta * (margins - held), -700, 700)
        return 2 / (1 + np.exp(exponent))
