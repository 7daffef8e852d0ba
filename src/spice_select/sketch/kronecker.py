"""Two-sided (Kronecker) sketch: G becomes UᵀGV with short U and V, then a sparse JL to the feature length.

Where G = Σ_t δ_t a_tᵀ it works on the factors, (UᵀΔ)(AᵀV), and never forms G. That makes full-weight gradients of a
large layer affordable. The price is noise: samples that share a factor (the same activations, say) have sketched
inner products that vary far more than under a plain random projection of the same length; so measure the fidelity.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from spice_select.errors import InputError
from spice_select.sketch.base import ParameterBlock, Projection, SketchRequest
from spice_select.sketch.randomness import Stream
from spice_select.sketch.sparse_jl import SparseJLProjection


class KroneckerProjection(Projection):
    """Holds U and V of each block: ``(rows + columns) · side`` floats."""

    takes_factors = True

    def __init__(self, dim: int, side: int, seed: int) -> None:
        super().__init__(dim)
        self.side, self.seed = side, seed
        self._core = SparseJLProjection(dim, 1, seed)
        self._sides: dict[tuple[str, str, torch.device], Tensor] = {}

    def add(self, features: Tensor, block: ParameterBlock, gradients: Tensor) -> None:
        """Sketch both sides of formed gradients; see `Projection.add`."""
        left, right = self._operators(block, gradients.device)
        core = gradients.transpose(1, 2) @ left
        self._add_core(features, block, core.transpose(1, 2) @ right)

    def add_factors(self, features: Tensor, block: ParameterBlock, left: Tensor, right: Tensor) -> None:
        """Sketch each factor, then multiply: 2·tokens·side·(rows + columns + side) flops for each sample."""
        u, v = self._operators(block, left.device)
        self._add_core(features, block, torch.bmm((left.float() @ u).transpose(1, 2), right.float() @ v))

    def _add_core(self, features: Tensor, block: ParameterBlock, core: Tensor) -> None:
        inner = ParameterBlock(f"{block.name}/core", (core.shape[1], core.shape[2]))
        self._core.add(features, inner, core)

    def _operators(self, block: ParameterBlock, device: torch.device) -> tuple[Tensor, Tensor]:
        return self._side(block, "left", block.shape[0], device), self._side(block, "right", block.shape[1], device)

    def _side(self, block: ParameterBlock, which: str, length: int, device: torch.device) -> Tensor:
        """±1/√side ``[length, side]``; the identity where the block's side is already no longer than that."""
        key = (block.name, which, device)
        if key not in self._sides:
            if length <= self.side:
                matrix = torch.eye(length)
            else:
                name = f"{block.name}:{block.shape[0]}x{block.shape[1]}"
                stream = Stream(self.seed, name, f"kronecker/{self.side}/{which}")
                signs = torch.from_numpy(stream.signs(length * self.side)).float()
                matrix = signs.view(length, self.side) / math.sqrt(self.side)
            self._sides[key] = matrix.to(device)
        return self._sides[key]


@dataclass(frozen=True, slots=True)
class Kronecker:
    """Two-sided sketch of `side`×`side` numbers a block, summed over blocks into `dim` buckets.

    Args:
        dim: length of a feature vector.
        side: columns of U and V (p). The noise on samples that share a factor falls as 1/√side only.
        seed: of all signs.

    Raises:
        InputError: `dim` or `side` below 1.
    """

    dim: int
    side: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dim < 1 or self.side < 1:
            raise InputError(
                f"two-sided sketch of dimension {self.dim} with side {self.side}: both must be at least 1; "
                "a few thousand dimensions and a side of 16 to 64 are usual"
            )

    @property
    def name(self) -> str:
        """E.g. ``kronecker-4096-p32``."""
        return f"kronecker-{self.dim}-p{self.side}"

    @classmethod
    def of(cls, asked: SketchRequest) -> Self:
        """Of the length and side asked for."""
        return cls(asked.dim, side=asked.side, seed=asked.seed)

    def bind(self, blocks: Sequence[ParameterBlock]) -> Projection:
        """The two sides of each block, drawn when the block first comes."""
        return KroneckerProjection(self.dim, self.side, self.seed)

    def refusal(self, parameters: int) -> str | None:
        """Never: it holds (rows + columns) · side numbers of a layer, far fewer than its parameters."""
        return None
