"""What a training changed: a few values of each tensor, held before it and looked at again after."""

from collections.abc import Iterator, Mapping
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
        tensors: trained tensors; of a LoRA, the weights that it is added to.
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
    """A model as it is before training.

    Of a LoRA nothing is held: what it has changed is what it adds to the weights below it. Of a model whose weights are
    trained themselves, at most `VALUES` values of each tensor are.

    Args:
        model: before training; what requires a gradient is looked at.
        dtype: what the weights will be saved in: changes that it rounds away are none.
    """

    def __init__(self, model: nn.Module, dtype: str) -> None:
        self._dtype = dtype
        self._is_lora = hasattr(model, "peft_config")
        self._values: Mapping[str, torch.Tensor] = {
            name: _sample(parameter, dtype)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and not self._is_lora
        }

    def against(self, model: nn.Module) -> Moved:
        """Compare with the same model after training. Cost for a LoRA: the product B·A of one layer after the other."""
        changed = dict(_lora_changes(model, self._dtype)) if self._is_lora else self._changes(model)
        still = tuple(name for name, moved in changed.items() if not moved)
        return Moved(tensors=len(changed), still=still, dtype=self._dtype)

    def _changes(self, model: nn.Module) -> dict[str, bool]:
        now = dict(model.named_parameters())
        return {name: not torch.equal(before, _sample(now[name], self._dtype)) for name, before in self._values.items()}


def _lora_changes(model: nn.Module, dtype: str) -> Iterator[tuple[str, bool]]:
    """Whether each layer's weights with its LoRA added are others than without, by the layer's name."""
    for name, module in model.named_modules():
        for adapter in getattr(module, "lora_B", ()):
            layer: Any = module
            weight, added = layer.get_base_layer().weight, layer.get_delta_weight(adapter)
            before = _sample(weight, dtype)
            after = _sample(weight, "float32") + _sample(added, "float32")
            yield name, not torch.equal(before, after.to(before.dtype))


def _sample(tensor: torch.Tensor, dtype: str) -> torch.Tensor:
    flat = tensor.detach().flatten()
    step = max(1, -(-flat.numel() // VALUES))
    return flat[::step].to(device="cpu", dtype=getattr(torch, dtype), copy=True)
