"""Sums over two answers, their means, sums in which the longer answer's tail counts less, and one answer alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

if TYPE_CHECKING:
    from spice_select.gradients.settings import GradientSettings


@dataclass(frozen=True, slots=True)
class AnswerSums:
    """Every token counts 1: DPO's gradient at its reference is −β/2 times the difference. The longer side dominates."""

    name: str = "sum"

    @classmethod
    def of(cls, asked: "GradientSettings") -> Self:
        """Nothing is set."""
        return cls()

    def token_weights(self, places: Tensor, own: Tensor, other: Tensor, chosen: Tensor) -> Tensor:
        """1."""
        return torch.ones_like(places, dtype=torch.float32)


@dataclass(frozen=True, slots=True)
class AnswerMeans:
    """A token counts 1/n in an answer of n tokens: both sides weigh alike, whatever their lengths."""

    name: str = "mean"

    @classmethod
    def of(cls, asked: "GradientSettings") -> Self:
        """Nothing is set."""
        return cls()

    def token_weights(self, places: Tensor, own: Tensor, other: Tensor, chosen: Tensor) -> Tensor:
        """1/n."""
        return own.float().reciprocal()


@dataclass(frozen=True, slots=True)
class DampedTails:
    """Tokens beyond the length of the shorter answer count less (LD-DPO, arXiv 2409.06411; TRL's ``ld_alpha``).

    Attributes:
        alpha: what they count, from 0 (not at all) to 1 (as `AnswerSums`).
    """

    alpha: float = 0.5
    name: str = "tail"

    @classmethod
    def of(cls, asked: "GradientSettings") -> Self:
        """With `--pair-tail`."""
        return cls(alpha=asked.pair_tail)

    def token_weights(self, places: Tensor, own: Tensor, other: Tensor, chosen: Tensor) -> Tensor:
        """1 up to the length of the shorter answer, `alpha` beyond."""
        inside = places < torch.minimum(own, other)
        return torch.where(inside, 1.0, self.alpha).float()


@dataclass(frozen=True, slots=True)
class ChosenAlone:
    """The preferred answer's tokens count 1, the other's nothing: what learning it would be, and no comparison."""

    name: str = "chosen"

    @classmethod
    def of(cls, asked: "GradientSettings") -> Self:
        """Nothing is set."""
        return cls()

    def token_weights(self, places: Tensor, own: Tensor, other: Tensor, chosen: Tensor) -> Tensor:
        """1 in the chosen answer, 0 in the other."""
        return chosen.float()
