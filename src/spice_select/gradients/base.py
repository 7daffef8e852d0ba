"""The ports of the gradient stage: what an engine returns, and what a choice of parameters must say."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spice_select.data.records import Sample
from spice_select.sketch import ParameterBlock

if TYPE_CHECKING:
    from spice_select.gradients.settings import GradientSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchGradients:
    """Sketched gradients of a batch, one row for each example in the order given.

    Attributes:
        features: float32 ``[b, d]``; the sketch of the gradient of the row's own loss, turned round where the row is an
            answer not to give (`Example.sign`).
        losses: float64 ``[b]``; the row's loss under the engine's reduction; of a pair what its gradient v is the
            gradient of, the weighted log-probability of the chosen answer less that of the rejected one.
        norms: float64 ``[b]``; exact Euclidean norm of the gradient before sketching.
        answers: float64 ``[b, 2]``; log-probability (nats) of each pair's chosen and rejected answer, a sum over its
            tokens whatever they weigh; None where rows are no pairs.
    """

    features: NDArray[np.float32]
    losses: NDArray[np.float64]
    norms: NDArray[np.float64]
    answers: NDArray[np.float64] | None = None

    @classmethod
    def concatenate(cls, parts: Sequence["BatchGradients"]) -> "BatchGradients":
        """The rows of several batches, one batch after the other. Copies."""
        answers = [part.answers for part in parts if part.answers is not None]
        return cls(
            features=np.concatenate([part.features for part in parts]),
            losses=np.concatenate([part.losses for part in parts]),
            norms=np.concatenate([part.norms for part in parts]),
            answers=np.concatenate(answers) if answers else None,
        )

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Per row, ``[b]``: false where loss, norm or feature is NaN or infinite; such a row must be dropped."""
        return np.isfinite(self.losses) & np.isfinite(self.norms) & np.isfinite(self.features).all(axis=1)


class Engine(Protocol):
    """Computes the sketched gradient of each example's own loss."""

    def features(self, model: nn.Module, examples: Sequence[Sample]) -> BatchGradients:
        """Sketched per-sample gradients of one batch; the model is left as it was."""
        ...


@dataclass(frozen=True, slots=True)
class Dense:
    """Gradients of one block, formed.

    Attributes:
        block: the parameters.
        values: float32 ``[b, rows, columns]``.
    """

    block: ParameterBlock
    values: Tensor


@dataclass(frozen=True, slots=True)
class Factored:
    """Gradients of one block as the factors ``left[i]ᵀ @ right[i]``.

    Attributes:
        block: the parameters.
        left: ``[b, tokens, rows]``: gradients at the layer's output.
        right: ``[b, tokens, columns]``: the layer's inputs.
    """

    block: ParameterBlock
    left: Tensor
    right: Tensor


class Capture(Protocol):
    """How one layer's gradients follow from its inputs and the gradients at its output.

    Attributes:
        modules: the layers that are watched: one, or several that share their parameters.
        blocks: the parameters it yields gradients of.
    """

    modules: tuple[nn.Module, ...]
    blocks: tuple[ParameterBlock, ...]

    def keep(self, inputs: Tensor) -> Tensor:
        """What to remember of the inputs ``[…, d_in]`` until the backward pass: as little as possible."""
        ...

    def gradients(self, kept: Tensor, output_gradients: Tensor) -> Iterator[Dense | Factored]:
        """Per-sample gradients from ``kept [b, tokens, ·]`` and ``output_gradients [b, tokens, d_out]``."""
        ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """A parameter that autograd differentiates for the loop engine.

    Attributes:
        block: name and ``(rows, columns)`` under which its gradient is sketched.
        parameter: the tensor itself.
        transposed: whether it is stored as ``[columns, rows]``.
    """

    block: ParameterBlock
    parameter: nn.Parameter
    transposed: bool = False


@dataclass(frozen=True, slots=True)
class Attached:
    """A model ready for plain autograd: its leaves require gradients and nothing else does."""

    model: nn.Module
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an engine sees of a model.

    Attributes:
        blocks: the parameters whose gradients make up the features.
        uncaptured: weight matrices that no engine here can capture (fused experts, say): their gradients are missing.
    """

    blocks: tuple[ParameterBlock, ...]
    uncaptured: tuple[str, ...]

    @property
    def num_parameters(self) -> int:
        """How many parameters the features stand for."""
        return sum(block.size for block in self.blocks)


class Parameters(Protocol):
    """A choice of parameters: which gradients make up a feature."""

    @property
    def name(self) -> str:
        """What the choice is called in settings and reports."""
        ...

    @classmethod
    def of(cls, asked: "GradientSettings", seed: int) -> Self:
        """The choice as the settings describe it; `seed` is of whatever it draws."""
        ...

    def captures(self, model: nn.Module) -> Sequence[Capture]:
        """For the hook engine: one capture for each layer, in the model's order."""
        ...

    def attached(self, model: nn.Module) -> AbstractContextManager[Attached]:
        """For the loop engine: the same parameters as autograd leaves; the model is restored on leaving."""
        ...

    def coverage(self, model: nn.Module) -> Coverage:
        """What is captured and what is not."""
        ...
