"""No sketch at all: the gradient itself, blocks side by side. The oracle, and the choice for tiny models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from spice_select.sketch.base import REMEDY, ParameterBlock, Projection, SketchRequest

_LIMIT = 1 << 24
"""Longest gradient that is kept whole: 64 MiB a row."""


class IdentityProjection(Projection):
    """Each block has its own stretch of the feature vector, in the order the blocks were given."""

    def __init__(self, blocks: Sequence[ParameterBlock]) -> None:
        self.offsets: dict[ParameterBlock, int] = {}
        end = 0
        for block in blocks:
            self.offsets[block] = end
            end += block.size
        super().__init__(end)

    def add(self, features: Tensor, block: ParameterBlock, gradients: Tensor) -> None:
        """Copy the flattened block to its stretch; see `Projection.add`."""
        start = self.offsets[block]
        features[:, start : start + block.size] += gradients.reshape(len(gradients), block.size)


@dataclass(frozen=True, slots=True)
class Identity:
    """Keeps every coordinate: exact, and as long as the parameters are many (4 bytes × parameters for each row)."""

    seed: int = 0

    @property
    def name(self) -> str:
        """``identity``."""
        return "identity"

    @classmethod
    def of(cls, asked: SketchRequest) -> Self:
        """The one there is."""
        return cls()

    def bind(self, blocks: Sequence[ParameterBlock]) -> Projection:
        """Lay the blocks out side by side."""
        return IdentityProjection(blocks)

    def refusal(self, parameters: int) -> str | None:
        """More than `_LIMIT` parameters, since each is a number of every row."""
        if parameters <= _LIMIT:
            return None
        return (
            f"--sketch identity with {parameters:,} parameters: every row would take {parameters * 4 / 1e9:,.1f} GB. "
            f"{REMEDY} --sketch sparse-jl."
        )
