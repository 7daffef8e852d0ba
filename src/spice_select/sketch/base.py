"""The port of a sketch: a random linear map from a model's gradient to a short vector, one layer at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from spice_select.sketch import DEFAULT_DIM, DEFAULT_SIDE


@dataclass(frozen=True, slots=True)
class ParameterBlock:
    """One matrix of parameters whose gradient is sketched.

    Attributes:
        name: unique in the model, e.g. ``model.layers.0.self_attn.q_proj.lora_B``.
        shape: rows and columns of the gradient; ``(out, in)`` for a weight, ``(out, 1)`` for a bias.
    """

    name: str
    shape: tuple[int, int]

    @property
    def size(self) -> int:
        """How many parameters the block holds."""
        return self.shape[0] * self.shape[1]


class Projection:
    """A sketch bound to the blocks of one model: adds each block's share to the features.

    A subclass defines `add`. Features are the sum over blocks, so a gradient is never whole in memory.

    Attributes:
        dim: length of a feature vector.
        takes_factors: whether `add_factors` is cheaper than forming the gradient.
    """

    takes_factors = False

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def add(self, features: Tensor, block: ParameterBlock, gradients: Tensor) -> None:
        """Add the sketch of one block to the features, in place.

        Args:
            features: float32 ``[samples, dim]``.
            block: which block it is; its name and shape decide the random map.
            gradients: float32 ``[samples, rows, columns]``.
        """
        raise NotImplementedError

    def add_factors(self, features: Tensor, block: ParameterBlock, left: Tensor, right: Tensor) -> None:
        """Add the sketch of the block whose gradient for sample i is ``left[i]ᵀ @ right[i]``, in place.

        Here the product is formed, a few samples at a time; a two-sided sketch never forms it.

        Args:
            features: float32 ``[samples, dim]``.
            block: which block it is.
            left: ``[samples, tokens, rows]``.
            right: ``[samples, tokens, columns]``.
        """
        for rows, gradients in formed(block, left, right):
            self.add(features[rows], block, gradients)


_FORMED_ELEMENTS = 1 << 26
"""At most this many gradient elements (256 MiB in float32) are formed at once from factors."""


def formed(block: ParameterBlock, left: Tensor, right: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The products ``left[i]ᵀ @ right[i]`` in float32, a few samples at a time, each lot with its rows."""
    step = max(1, _FORMED_ELEMENTS // block.size)
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        yield rows, torch.bmm(left[rows].float().transpose(1, 2), right[rows].float())


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchRequest:
    """What is asked of a sketch; each takes of it what it knows.

    Attributes:
        dim: length of a feature vector.
        side: numbers kept of each side of a layer's gradient, by a two-sided sketch.
        seed: of everything drawn.
    """

    dim: int = DEFAULT_DIM
    side: int = DEFAULT_SIDE
    seed: int = 0


class Sketch(Protocol):
    """A family of random linear maps, one for each block; a function of (seed, block name, block shape) alone.

    Inner products are unbiased over seeds: ``E⟨Sx, Sy⟩ = ⟨x, y⟩``.
    """

    @property
    def seed(self) -> int:
        """Seed of every map of the sketch."""
        ...

    @property
    def name(self) -> str:
        """What the sketch is called in settings and reports, with its parameters."""
        ...

    def bind(self, blocks: Sequence[ParameterBlock]) -> Projection:
        """The maps for these blocks. Operators are drawn when first used and kept by the projection."""
        ...


@runtime_checkable
class ListedSketch(Sketch, Protocol):
    """A sketch of the table, which settings can name."""

    @classmethod
    def of(cls, asked: SketchRequest) -> Self:
        """The sketch as the settings describe it. Raises InputError for lengths that it cannot have."""
        ...

    def refusal(self, parameters: int) -> str | None:
        """Why gradients of so many parameters would make it absurdly long or slow, with the remedy; None if not."""
        ...


REMEDY = "Give --sketch kronecker, fewer parameters (--last-blocks, --parameters lora), or"
"""How the refusal of a sketch goes on: what else to give follows."""
