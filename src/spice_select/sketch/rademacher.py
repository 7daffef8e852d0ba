"""Dense Rademacher projection: every entry ±1/√dim. The plainest unbiased sketch, and the slow one.

The matrix (parameters × dim) is generated a few rows at a time from counter-based bits and never stored whole.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from spice_select.errors import InputError
from spice_select.sketch.base import REMEDY, ParameterBlock, Projection, SketchRequest
from spice_select.sketch.randomness import Stream

_LIMIT = 1 << 36
"""Most signs (parameters × dimensions) that are drawn a batch: minutes on one core."""
_BLOCK_ELEMENTS = 1 << 22
"""Entries of the matrix that exist at once: 16 MiB in float32."""
_BITS_PER_WORD = 64


class RademacherProjection(Projection):
    """Holds nothing; the matrix is drawn again for each batch."""

    def __init__(self, dim: int, seed: int) -> None:
        super().__init__(dim)
        self.seed = seed

    def add(self, features: Tensor, block: ParameterBlock, gradients: Tensor) -> None:
        """Multiply by the block's rows of the matrix; cost 2·samples·P·dim flops and P·dim random bits."""
        flat = gradients.reshape(len(gradients), block.size)
        name = f"{block.name}:{block.shape[0]}x{block.shape[1]}"
        stream = Stream(self.seed, name, f"rademacher/{self.dim}")
        step = max(1, _BLOCK_ELEMENTS // self.dim)
        for start in range(0, block.size, step):
            stop = min(start + step, block.size)
            features += flat[:, start:stop] @ self._rows(stream, start, stop).to(flat.device)

    def _rows(self, stream: Stream, start: int, stop: int) -> Tensor:
        """Rows of the matrix, float32 ``[stop − start, dim]``; a row begins at a word of its own."""
        words = -(-self.dim // _BITS_PER_WORD)
        bits = stream.bits((stop - start) * words * _BITS_PER_WORD, start * words)
        rows = torch.from_numpy(bits).view(stop - start, -1)[:, : self.dim].float()
        return rows.mul_(2.0).sub_(1.0).mul_(1.0 / math.sqrt(self.dim))


@dataclass(frozen=True, slots=True)
class Rademacher:
    """Dense ±1/√dim projection (Achlioptas 2003).

    Args:
        dim: length of a feature vector.
        seed: of the signs.

    Raises:
        InputError: `dim` below 1.
    """

    dim: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise InputError(f"sketch of dimension {self.dim}: it must be at least 1; a few thousand are usual")

    @property
    def name(self) -> str:
        """E.g. ``rademacher-4096``."""
        return f"rademacher-{self.dim}"

    @classmethod
    def of(cls, asked: SketchRequest) -> Self:
        """Of the length asked for."""
        return cls(asked.dim, seed=asked.seed)

    def bind(self, blocks: Sequence[ParameterBlock]) -> Projection:
        """The map, whose rows are drawn as they are needed."""
        return RademacherProjection(self.dim, self.seed)

    def refusal(self, parameters: int) -> str | None:
        """More than `_LIMIT` signs, since all are drawn again for every batch."""
        signs = parameters * self.dim
        if signs <= _LIMIT:
            return None
        return (
            f"--sketch rademacher with {parameters:,} parameters and {self.dim:,} dimensions: {signs:,} signs would be "
            f"drawn for every batch. {REMEDY} --sketch sparse-jl."
        )
