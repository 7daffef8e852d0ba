"""Gradients of a trained adapter at several states on its way, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from spice_select.data.records import Sample
from spice_select.gradients.base import BatchGradients, Engine
from spice_select.gradients.preconditioner import AdamState
from spice_select.models.lora import adapter_weights


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An adapter as it stood during its training.

    Attributes:
        weights: block name → its values, as `adapter_weights` names them.
        state: the optimiser's moments then; None where none are known.
    """

    weights: Mapping[str, Tensor]
    state: AdamState | None

    def put_on(self, model: nn.Module) -> None:
        """Give a PEFT model's adapter these values, in place."""
        with torch.no_grad():
            for name, weight in adapter_weights(model).items():
                weight.copy_(self.weights[name])


@dataclass(frozen=True, slots=True)
class CheckpointEngine:
    """An `Engine` whose feature of a row is √w_c g_c of each checkpoint c, one after the other: ``[b, C·d]``.

    The adapter is swapped for every batch, which copies some megabytes beside a pass of the whole model; so a part on
    disk is whole as ever. Cost: C passes of one engine.

    Attributes:
        checkpoints: in the order of the training.
        engines: the engine of each.
        weights: w_c, positive.
    """

    checkpoints: Sequence[Checkpoint]
    engines: Sequence[Engine]
    weights: Sequence[float]

    def features(self, model: nn.Module, examples: Sequence[Sample]) -> BatchGradients:
        """The gradients at all checkpoints; losses and norms are those at the last. It is what the model is left at."""
        found = []
        try:
            for checkpoint, engine in zip(self.checkpoints, self.engines, strict=True):
                checkpoint.put_on(model)
                found.append(engine.features(model, examples))
        finally:
            self.checkpoints[-1].put_on(model)
        blocks = [np.float32(weight**0.5) * each.features for weight, each in zip(self.weights, found, strict=True)]
        return replace(found[-1], features=np.concatenate(blocks, axis=1))
