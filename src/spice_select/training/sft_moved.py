"""What a training changed: a few values of each tensor, held before it and looked at again after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

VALUES = 4096
"""Values of each tensor that are held, evenly spaced."""


@dataclass(frozen=True)
class Moved:
    """How much of a model a training changed.

    Attributes:
        tensors: trained tensors.
        still: names of those of which none of the values looked at differs from what was there before.
        dtype: the precision that the weights are saved in, and compared in.
    """

    tensors: int
    still: tuple[str, ...]
    dtype: str

    @property
    def sentence(self) -> str | None:
        """What a person should know, or None where every tensor moved."""
        if not self.still:
            return None
        if len(self.still) == self.tensors:
            return (
                f"The training changed nothing: all {self.tensors} tensors are saved as they were loaded (in "
                f"{self.dtype}). The model is the one it began with; raise --learning-rate, or make more steps."
            )
        shown = ", ".join(self.still[:3]) + (" …" if len(self.still) > 3 else "")
        return (
            f"{len(self.still)} of {self.tensors} trained tensors are saved as they were loaded (in {self.dtype}): "
            f"{shown}. Steps too small for this precision are lost when it is saved."
        )

    def to_json(self) -> dict[str, Any]:
        return {"tensors": self.tensors, "still": len(self.still), "dtype": self.dtype}


class Before:
    """The trained tensors of a model as they are now, at most `VALUES` values of each.

    Args:
        model: before training; what requires a gradient is looked at.
        dtype: what the weights will be saved in: changes that it rounds away are none.
    """

    def __init__(self, model: nn.Module, dtype: str) -> None:
        self._dtype = dtype
        self._values: Mapping[str, torch.Tensor] = {
            name: self._sample(parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
        }

    def against(self, model: nn.Module) -> Moved:
        """Compare with the same model after training."""
        now = dict(model.named_parameters())
        still = [name for name, before in self._values.items() if torch.equal(before, self._sample(now[name]))]
        return Moved(tensors=len(self._values), still=tuple(still), dtype=self._dtype)

    def _sample(self, parameter: torch.Tensor) -> torch.Tensor:
        flat = parameter.detach().flatten()
        step = max(1, -(-flat.numel() // VALUES))
        return flat[::step].to(device="cpu", dtype=getattr(torch, self._dtype), copy=True)
