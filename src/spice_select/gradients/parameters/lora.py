"""Gradients of LoRA parameters: at initialisation (the default for a static selection), or of a trained adapter.

At initialisation B = 0. Then dA = (α/r)·(B D)ᵀX vanishes identically, and dB = (α/r)·DᵀXAᵀ is the full-weight
gradient DᵀX seen through a random projection of its input side. So a fresh LoRA's features hold the B half alone;
the other half would be zeros. Only a warm adapter (B ≠ 0) has something to say in dA, and there both halves are used.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from spice_select.gradients.base import Attached, Capture, Coverage, Dense, Factored, Leaf
from spice_select.gradients.products import summed_outer, times_rows
from spice_select.models.adapters import refuse_unplain_layers
from spice_select.models.guard import refuse_unusable
from spice_select.models.layers import LinearLayer, uncaptured_parameters
from spice_select.models.lora import LoraSpec, attach_lora, lora_modules
from spice_select.sketch import ParameterBlock, Stream

if TYPE_CHECKING:
    from spice_select.gradients.settings import GradientSettings


def lora_spec(asked: "GradientSettings") -> LoraSpec:
    """Placement, rank and scale of the LoRA whose gradients are taken."""
    return LoraSpec(
        rank=asked.lora_rank,
        alpha=asked.lora_alpha,
        targets=tuple(asked.lora_targets) or None,
        last_blocks=asked.last_blocks,
    )


def initial_a(layer: LinearLayer, rank: int, seed: int) -> Tensor:
    """A at initialisation, float32 ``[rank, d_in]``: uniform in ±1/√d_in, a function of (seed, name, shape) alone.

    That is PEFT's default, Kaiming-uniform with a = √5, drawn here from counter-based randomness.
    """
    stream = Stream(seed, f"{layer.name}:{rank}x{layer.d_in}", "lora-a")
    uniform = 2.0 * stream.uniform(rank * layer.d_in) - 1.0
    return torch.from_numpy((uniform / math.sqrt(layer.d_in)).astype(np.float32)).view(rank, layer.d_in)


class _FreshCapture:
    """dB of an adapter that is not even there: keeps X Aᵀ, ``[b, tokens, rank]``, instead of X."""

    def __init__(self, layer: LinearLayer, a: Tensor, scale: float) -> None:
        self.modules: tuple[nn.Module, ...] = (layer.module,)
        self.scale = scale
        self.blocks: tuple[ParameterBlock, ...] = (ParameterBlock(f"{layer.name}.lora_B", (layer.d_out, a.shape[0])),)
        self._a = a

    def keep(self, inputs: Tensor) -> Tensor:
        """X Aᵀ in float32 at least, as PEFT has it in half precision: A is not rounded, nor is the product."""
        if self._a.device != inputs.device:
            self._a = self._a.to(inputs.device)
        return times_rows(inputs, self._a)

    def gradients(self, kept: Tensor, output_gradients: Tensor) -> Iterator[Dense | Factored]:
        yield Dense(self.blocks[0], summed_outer(output_gradients, kept.float() * self.scale))


class _WarmCapture:
    """dB and dA of an adapter in the model."""

    def __init__(self, name: str, module: Any) -> None:
        adapter = module.active_adapters[0]
        self.modules: tuple[nn.Module, ...] = (module,)
        self._a, self._b = module.lora_A[adapter].weight, module.lora_B[adapter].weight
        self._scale = float(module.scaling[adapter])
        self.blocks: tuple[ParameterBlock, ...] = (
            ParameterBlock(f"{name}.lora_B", (self._b.shape[0], self._b.shape[1])),
            ParameterBlock(f"{name}.lora_A", (self._a.shape[0], self._a.shape[1])),
        )

    def keep(self, inputs: Tensor) -> Tensor:
        return inputs

    def gradients(self, kept: Tensor, output_gradients: Tensor) -> Iterator[Dense | Factored]:
        x, d = kept.float(), output_gradients.float()
        a, b = self._a.detach().float(), self._b.detach().float()
        yield Dense(self.blocks[0], torch.bmm(d.transpose(1, 2), x @ a.T).mul_(self._scale))
        yield Dense(self.blocks[1], torch.bmm((d @ b).transpose(1, 2), x).mul_(self._scale))


@dataclass(frozen=True, slots=True)
class LoraGradients:
    """LoRA parameters: B of a fresh adapter on a plain model; A and B of a PEFT model's own adapter.

    Attributes:
        spec: placement, rank and alpha of the fresh adapter; a PEFT model brings its own.
        seed: of the fresh adapter's A.
    """

    spec: LoraSpec = field(default_factory=LoraSpec)
    seed: int = 0

    @property
    def name(self) -> str:
        """E.g. ``lora-r16``."""
        return f"lora-r{self.spec.rank}"

    @classmethod
    def of(cls, asked: "GradientSettings", seed: int) -> Self:
        """A fresh adapter as asked for, its A drawn by the seed."""
        return cls(lora_spec(asked), seed=seed)

    def captures(self, model: nn.Module) -> Sequence[Capture]:
        """One capture for each adapted layer.

        Raises:
            InputError: a target names no layer, the model is quantised, or a PEFT model's adapters are not plain (see
                `spice_select.models.adapters`).
        """
        refuse_unusable(model)
        refuse_unplain_layers(model)
        warm = lora_modules(model)
        if warm:
            return [_WarmCapture(name, module) for name, module in warm.items()]
        return [
            _FreshCapture(layer, initial_a(layer, self.spec.rank, self.seed), self.spec.scale)
            for layer in self.spec.layers(model)
        ]

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[Attached]:
        """The model with a real PEFT adapter as autograd leaves."""
        if lora_modules(model):
            yield Attached(model, tuple(_warm_leaves(model)))
            return
        before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
        drawn = {layer.name: initial_a(layer, self.spec.rank, self.seed) for layer in self.spec.layers(model)}
        adapted: Any = attach_lora(model, self.spec, drawn)
        try:
            # The A half is left out on purpose: with B = 0 it is zero for every sample.
            leaves = [leaf for leaf in _warm_leaves(adapted) if leaf.block.name.endswith(".lora_B")]
            yield Attached(adapted, tuple(leaves))
        finally:
            adapted.unload()
            for parameter, flag in before:  # PEFT freezes all of them
                parameter.requires_grad_(flag)

    def coverage(self, model: nn.Module) -> Coverage:
        """The blocks, and the weight matrices LoRA cannot adapt."""
        blocks = tuple(block for capture in self.captures(model) for block in capture.blocks)
        return Coverage(blocks, tuple(uncaptured_parameters(model)))


def _warm_leaves(model: nn.Module) -> Iterator[Leaf]:
    for name, module in lora_modules(model).items():
        adapter = module.active_adapters[0]  # type: ignore[index]
        for half in ("lora_B", "lora_A"):
            weight = getattr(module, half)[adapter].weight
            yield Leaf(ParameterBlock(f"{name}.{half}", (weight.shape[0], weight.shape[1])), weight)
