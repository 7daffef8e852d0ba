"""Sparse Johnson–Lindenstrauss transform: each coordinate is added, with a random sign, to a few buckets.

With ``c = 1`` it is the CountSketch of Charikar, Chen and Farach-Colton (2002); with ``c > 1`` the block construction
of Kane and Nelson ("Sparser Johnson–Lindenstrauss transforms", 2014): c stretches of dim/c buckets, a bucket in each.
The buckets here are *balanced*: a random permutation deals a block's coordinates out to the buckets like cards, so
that no bucket gets more than ⌈P/dim⌉.
Inner products stay unbiased, because the signs are independent of the deal; and the sum runs over a fixed order, so
the same input gives the same bits on every run, on a GPU too (a scatter with atomic adds does not).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from torch import Tensor

from spice_select.errors import InputError
from spice_select.sketch.base import REMEDY, ParameterBlock, Projection, SketchRequest
from spice_select.sketch.randomness import Stream

_LIMIT = 1 << 29
"""Most parameters that a deal of each is held for: 8 bytes each, so 4 GiB."""


@dataclass(frozen=True, slots=True)
class _Deal:
    """A balanced deal of a block's coordinates to one stretch of the buckets.

    ``take[j]`` is the coordinate at slot j, the slots being ``[deep, stretch]``; `weights` are its sign/√nonzeros.
    """

    stretch: slice
    take: Tensor
    weights: Tensor


class SparseJLProjection(Projection):
    """Holds, for each block and deal, an int32 index and a float32 sign for each coordinate: 8·c bytes each."""

    def __init__(self, dim: int, nonzeros: int, seed: int) -> None:
        super().__init__(dim)
        self.nonzeros, self.seed = nonzeros, seed
        edges = [dim * number // nonzeros for number in range(nonzeros + 1)]
        self._stretches = [slice(start, stop) for start, stop in pairwise(edges)]
        self._deals: dict[tuple[ParameterBlock, torch.device], list[_Deal]] = {}

    def add(self, features: Tensor, block: ParameterBlock, gradients: Tensor) -> None:
        """Deal the coordinates out and sum each bucket; cost O(samples · P · c); see `Projection.add`."""
        flat = gradients.reshape(len(gradients), block.size)
        for deal in self._operator(block, flat.device):
            dealt = flat.index_select(1, deal.take).view(len(flat), *deal.weights.shape)
            features[:, deal.stretch] += dealt.mul_(deal.weights).sum(1)

    def _operator(self, block: ParameterBlock, device: torch.device) -> list[_Deal]:
        key = (block, device)
        if key not in self._deals:
            self._deals[key] = [self._draw(block, number, device) for number in range(self.nonzeros)]
        return self._deals[key]

    def _draw(self, block: ParameterBlock, number: int, device: torch.device) -> _Deal:
        stretch = self._stretches[number]
        width = stretch.stop - stretch.start
        slots = -(-block.size // width) * width
        name = f"{block.name}:{block.shape[0]}x{block.shape[1]}"
        purpose = f"sparse-jl/{self.dim}/{number}-of-{self.nonzeros}"
        take = Stream(self.seed, name, f"{purpose}/deal").permutation(slots)
        signs = Stream(self.seed, name, f"{purpose}/signs").signs(slots)
        weights = signs.astype(np.float32) / np.float32(math.sqrt(self.nonzeros))
        weights[take >= block.size] = 0.0  # slots left over when the buckets do not divide the block
        take = np.where(take < block.size, take, 0).astype(np.int32)
        return _Deal(stretch, torch.from_numpy(take).to(device), torch.from_numpy(weights).view(-1, width).to(device))


@dataclass(frozen=True, slots=True)
class SparseJL:
    """Each coordinate goes to `nonzeros` buckets with weight ±1/√nonzeros.

    The variance of a sketched inner product ⟨x, y⟩ is at most (‖x‖²‖y‖² + ⟨x, y⟩²)/dim, about that of a dense
    Rademacher map, at 1/dim of its cost.

    Args:
        dim: number of buckets, the length of a feature vector.
        nonzeros: buckets for each coordinate (c). More than one costs in proportion and helps only where a few
            coordinates carry most of a gradient.
        seed: of the deals and signs.

    Raises:
        InputError: `dim` or `nonzeros` below 1, or more nonzeros than buckets.
    """

    dim: int
    nonzeros: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dim < 1 or not 1 <= self.nonzeros <= self.dim:
            raise InputError(
                f"sketch of dimension {self.dim} with {self.nonzeros} nonzeros: both must be at least 1, and "
                "the nonzeros no more than the dimensions; a few thousand dimensions and one nonzero are usual"
            )

    @property
    def name(self) -> str:
        """E.g. ``sparse-jl-4096`` or, with two nonzeros, ``sparse-jl-4096-c2``."""
        return f"sparse-jl-{self.dim}" + (f"-c{self.nonzeros}" if self.nonzeros > 1 else "")

    @classmethod
    def of(cls, asked: SketchRequest) -> Self:
        """Of the length asked for, each coordinate in one bucket."""
        return cls(asked.dim, seed=asked.seed)

    def bind(self, blocks: Sequence[ParameterBlock]) -> Projection:
        """The deals, drawn when a block first comes."""
        return SparseJLProjection(self.dim, self.nonzeros, self.seed)

    def refusal(self, parameters: int) -> str | None:
        """More than `_LIMIT` parameters, since a position and a sign of each are held."""
        if parameters <= _LIMIT:
            return None
        return (
            f"--sketch sparse-jl with {parameters:,} parameters: it would hold {parameters * 8 / 1e9:,.0f} GB of "
            f"positions and signs. {REMEDY} a smaller proxy."
        )
