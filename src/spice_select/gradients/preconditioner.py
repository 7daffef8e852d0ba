"""Gradients as an Adam optimiser would see them, before the sketch.

After t steps Adam holds the moments m and v of a parameter's gradient. For a sample's own gradient g, LESS (Xia et al.
2024, arXiv 2402.04333, section 2) takes the update Adam would make next from that sample alone:

    Γ(g) = m̂ / (√v̂ + ε),   m̂ = (β₁ m + (1 − β₁) g) / (1 − β₁^(t+1)),   v̂ = (β₂ v + (1 − β₂) g²) / (1 − β₂^(t+1))

(`AdamUpdate`). Γ is not linear in g: v̂ holds the sample's own g², and m is the same for all samples, so it makes all of
them look alike. `AdamDiagonal` keeps what is linear, g / (√v̂ + ε) with v̂ = v / (1 − β₂^t): a change of metric.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from spice_select.errors import InputError
from spice_select.sketch import ParameterBlock


class Preconditioner(Protocol):
    """Turns per-sample gradients into what is sketched, block by block."""

    @property
    def name(self) -> str:
        """What it is called in settings and reports."""
        ...

    @classmethod
    def of(cls, state: "AdamState") -> Self:
        """The preconditioner that a trained adapter's optimizer makes."""
        ...

    def apply(self, block: ParameterBlock, gradients: Tensor) -> Tensor:
        """The preconditioned gradients of one block, float32 ``[b, rows, columns]`` as given; a new tensor."""
        ...


@dataclass(frozen=True, slots=True)
class Moments:
    """Adam's running means of one block.

    Attributes:
        first: m, float32 ``[rows, columns]``.
        second: v, the same shape, nowhere negative.
    """

    first: Tensor
    second: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamState:
    """What an Adam optimiser remembers.

    Attributes:
        moments: block name → its moments.
        steps: optimiser steps made (t).
        beta1, beta2, eps: the optimiser's.

    Raises:
        InputError: no step was made, so there are no moments; or moments that are not finite.
    """

    moments: Mapping[str, Moments]
    steps: int
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.moments:
            raise InputError("an Adam state of no steps has no moments: warm up with --warmup-rows first")
        for name, moments in self.moments.items():
            if not (torch.isfinite(moments.first).all() and torch.isfinite(moments.second).all()):
                raise InputError(f"Adam's moments of {name} are not finite: the training diverged; use another state")

    def of(self, block: ParameterBlock, device: torch.device) -> Moments:
        """The moments of a block on a device.

        Raises:
            InputError: there are none, or they have another shape.
        """
        found = self.moments.get(block.name)
        if found is None or tuple(found.first.shape) != block.shape:
            there = "none" if found is None else f"of shape {tuple(found.first.shape)}"
            raise InputError(
                f"Adam's moments of {block.name} {block.shape}: there are {there}; the optimizer state belongs to "
                "another adapter or model"
            )
        return Moments(found.first.to(device, torch.float32), found.second.to(device, torch.float32))


@dataclass(frozen=True, slots=True)
class AdamUpdate:
    """Γ: the step that Adam would make on this sample alone, without learning rate and weight decay."""

    state: AdamState

    @property
    def name(self) -> str:
        """``adam``."""
        return "adam"

    @classmethod
    def of(cls, state: AdamState) -> Self:
        """By these moments."""
        return cls(state)

    def apply(self, block: ParameterBlock, gradients: Tensor) -> Tensor:
        """Γ of each sample; the module's docstring has the formula."""
        state, moments = self.state, self.state.of(block, gradients.device)
        first = (state.beta1 * moments.first + (1 - state.beta1) * gradients) / (1 - state.beta1 ** (state.steps + 1))
        second = state.beta2 * moments.second + (1 - state.beta2) * gradients.square()
        return first / (second.div_(1 - state.beta2 ** (state.steps + 1)).sqrt_() + state.eps)


@dataclass(frozen=True, slots=True)
class AdamDiagonal:
    """g / (√v̂ + ε): linear in the gradient, so the sketch keeps inner products as it does without."""

    state: AdamState

    @property
    def name(self) -> str:
        """``diagonal``."""
        return "diagonal"

    @classmethod
    def of(cls, state: AdamState) -> Self:
        """By these moments."""
        return cls(state)

    def apply(self, block: ParameterBlock, gradients: Tensor) -> Tensor:
        """Each coordinate over its root mean square in the warm-up."""
        state, moments = self.state, self.state.of(block, gradients.device)
        return gradients / ((moments.second / (1 - state.beta2**state.steps)).sqrt() + state.eps)
