"""Losses multiplied before a backward pass through float16, so that small gradients are not rounded to zero.

A token's share of a mean over n tokens is 1/n, and the gradient at a logit that share of a probability: below 6e-8
float16 has nothing. Powers of two are taken out again in float32, where that rounds nothing. (Micikevicius et al. 2018,
arXiv 1710.03740, section 3.2.)
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spice_select.gradients.base import Dense, Factored

_HIGHEST = 64.0
"""What the heaviest token's loss counts: float16 ends at 65504, and gradients grow on their way down."""


def needs_lift(model: nn.Module) -> bool:
    """Whether gradients pass through float16."""
    return any(parameter.dtype == torch.float16 for parameter in model.parameters())


def lift_of(heaviest: float) -> float:
    """The power of two for a loss whose heaviest token counts so much; 1 where none counts."""
    return 2.0 ** math.floor(math.log2(_HIGHEST / heaviest)) if heaviest > 0 else 1.0


@dataclass(frozen=True, slots=True)
class RowLift:
    """What each row's losses are multiplied by, float32 ``[b]``."""

    factors: Tensor

    @classmethod
    def of(cls, weights: Tensor, owners: Tensor, size: int) -> "RowLift":
        """For tokens of these weights ``[n]`` in these rows ``[n]``, so many."""
        heaviest = torch.zeros(size, dtype=weights.dtype, device=weights.device)
        heaviest.scatter_reduce_(0, owners, weights.abs(), "amax")
        factors = [lift_of(each) for each in heaviest.tolist()]
        return cls(torch.tensor(factors, dtype=torch.float32, device=weights.device))

    def only(self, rows: Tensor) -> "RowLift":
        """The same with 1 for all but these, bool ``[b]``."""
        return RowLift(torch.where(rows.to(self.factors.device), self.factors, 1.0))

    def undone(self, gradient: Dense | Factored) -> Dense | Factored:
        """The gradients as they are without it."""
        back = self.factors.reciprocal()[:, None, None]
        if isinstance(gradient, Dense):
            return Dense(gradient.block, gradient.values * back)
        return Factored(gradient.block, gradient.left.float() * back, gradient.right)


def lifted_gradients(
    loss: Callable[[], Tensor], model: nn.Module, parameters: Mapping[str, nn.Parameter], *, heaviest: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss and its gradients in float32, by name; parameters that have no part in it are left out.

    Args:
        loss: computes it; called again without lift where its gradients overflow with it.
        model: what it is of.
        parameters: whose gradients.
        heaviest: what the heaviest token counts in it.
    """
    lifts = (lift_of(heaviest), 1.0) if needs_lift(model) else (1.0,)
    for lift in lifts:
        value = loss()
        found = torch.autograd.grad(value * lift, list(parameters.values()), allow_unused=True)
        named = zip(parameters, found, strict=True)
        gradients = {name: each.float() / lift for name, each in named if each is not None}
        if lift == 1 or all(bool(torch.isfinite(each).all()) for each in gradients.values()):
            break
    return value.detach(), gradients
