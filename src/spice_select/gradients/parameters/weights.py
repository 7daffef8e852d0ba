"""Gradients of the weights themselves: of all linear layers, of the last few blocks, or of the output head alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from spice_select.gradients.base import Attached, Capture, Coverage, Dense, Factored, Leaf
from spice_select.models.adapters import refuse_unplain_layers
from spice_select.models.guard import refuse_unusable
from spice_select.models.layers import (
    LinearLayer,
    in_last_blocks,
    linear_layers,
    output_head,
    uncaptured_parameters,
    weight_of,
)
from spice_select.sketch import ParameterBlock

if TYPE_CHECKING:
    from spice_select.gradients.settings import GradientSettings


class _WeightCapture:
    """dW = DᵀX as factors, and db = Σ_t D where there is a bias."""

    def __init__(self, layer: LinearLayer, *, bias: bool = True, twins: Sequence[nn.Module] = ()) -> None:
        self.modules: tuple[nn.Module, ...] = (layer.module, *twins)
        self._weight = ParameterBlock(f"{layer.name}.weight", (layer.d_out, layer.d_in))
        has_bias = bias and getattr(layer.module, "bias", None) is not None
        self._bias = ParameterBlock(f"{layer.name}.bias", (layer.d_out, 1)) if has_bias else None
        self.blocks: tuple[ParameterBlock, ...] = (self._weight,) if self._bias is None else (self._weight, self._bias)

    def keep(self, inputs: Tensor) -> Tensor:
        return inputs

    def gradients(self, kept: Tensor, output_gradients: Tensor) -> Iterator[Dense | Factored]:
        yield Factored(self._weight, output_gradients, kept)
        if self._bias is not None:
            yield Dense(self._bias, output_gradients.float().sum(1).unsqueeze(2))


@dataclass(frozen=True, slots=True)
class FullWeights:
    """Weights (and biases) of the linear layers, the output head left out.

    Meant for the two-sided sketch; any other forms each layer's gradient, a few samples at a time.

    Attributes:
        targets: names of the layers, whole or last parts; None for all.
        last_blocks: only those in the last so many transformer blocks; the backward pass stops below them. None: all.
    """

    targets: tuple[str, ...] | None = None
    last_blocks: int | None = None

    @property
    def name(self) -> str:
        """``weights`` or, say, ``weights-last-4``."""
        return "weights" + (f"-last-{self.last_blocks}" if self.last_blocks is not None else "")

    @classmethod
    def of(cls, asked: "GradientSettings", seed: int) -> Self:
        """All layers, or those of the last blocks; nothing is drawn."""
        return cls(last_blocks=asked.last_blocks)

    def captures(self, model: nn.Module) -> Sequence[Capture]:
        """One capture for each layer. Raises InputError as `linear_layers`, and for a quantised or adapted model."""
        _refuse_others(model)
        sharing = _sharing(linear_layers(model))
        return [
            _WeightCapture(
                layer, twins=[twin.module for twin in sharing[id(weight_of(layer))] if twin.module is not layer.module]
            )
            for layer in self._layers(model)
        ]

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[Attached]:
        """The weights themselves as autograd leaves."""
        yield Attached(model, tuple(_leaves(self._layers(model))))

    def coverage(self, model: nn.Module) -> Coverage:
        """The blocks, and the weight matrices outside any linear layer."""
        blocks = tuple(block for capture in self.captures(model) for block in capture.blocks)
        return Coverage(blocks, tuple(uncaptured_parameters(model)))

    def _layers(self, model: nn.Module) -> list[LinearLayer]:
        layers = linear_layers(model, self.targets)
        chosen = layers if self.last_blocks is None else in_last_blocks(layers, self.last_blocks)
        return [group[0] for group in _sharing(chosen).values()]


@dataclass(frozen=True, slots=True)
class LastLayer:
    """The output head's weight alone: Σ_t w_t (p_t − e_{y_t}) h_tᵀ, which needs a forward pass only.

    Where the head is tied to the input embeddings, this is the share of the gradient that comes through the head.
    """

    @property
    def name(self) -> str:
        """``last-layer``."""
        return "last-layer"

    @classmethod
    def of(cls, asked: "GradientSettings", seed: int) -> Self:
        """The one there is."""
        return cls()

    def captures(self, model: nn.Module) -> Sequence[Capture]:
        """The head. Nothing below it requires a gradient, so autograd stops there. Errors as for `FullWeights`."""
        _refuse_others(model)
        return [_WeightCapture(output_head(model), bias=False)]

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[Attached]:
        """The head with a weight of its own, so that a tied embedding does not add its share."""
        head = output_head(model)
        tied = weight_of(head)
        own = nn.Parameter(tied.detach().clone())
        head.module.weight = own
        try:
            yield Attached(
                model, (Leaf(ParameterBlock(f"{head.name}.weight", (head.d_out, head.d_in)), own, head.transposed),)
            )
        finally:
            head.module.weight = tied

    def coverage(self, model: nn.Module) -> Coverage:
        """The head's weight; all else is left out by intent."""
        return Coverage(self.captures(model)[0].blocks, ())


def _refuse_others(model: nn.Module) -> None:
    """Quantised layers compute with other weights than they show, and so do adapters that are not plain."""
    refuse_unusable(model)
    refuse_unplain_layers(model)


def _sharing(layers: Sequence[LinearLayer]) -> dict[int, list[LinearLayer]]:
    """The layers grouped by their weight: those of one group are tied, and its gradient is the sum over them all."""
    groups: dict[int, list[LinearLayer]] = {}
    for layer in layers:
        groups.setdefault(id(weight_of(layer)), []).append(layer)
    return groups


def _leaves(layers: Sequence[LinearLayer]) -> Iterator[Leaf]:
    for layer in layers:
        yield Leaf(
            ParameterBlock(f"{layer.name}.weight", (layer.d_out, layer.d_in)), weight_of(layer), layer.transposed
        )
        bias = getattr(layer.module, "bias", None)
        if bias is not None:
            yield Leaf(ParameterBlock(f"{layer.name}.bias", (layer.d_out, 1)), bias)


def factor_squares(left: Tensor, right: Tensor) -> Tensor:
    """Squared Frobenius norm of ``left[i]ᵀ @ right[i]``, float64 ``[b]``, by the cheaper of two ways.

    The ghost norm Σ_{t,t'} (l_t·l_t')(r_t·r_t') costs tokens²·(rows + columns); forming the product costs
    tokens·rows·columns (Goodfellow 2015, arXiv 1510.01799; Li et al. 2022, arXiv 2110.05679).
    """
    tokens, rows, columns = left.shape[1], left.shape[2], right.shape[2]
    if tokens * (rows + columns) < rows * columns:
        gram_left = torch.bmm(left.float(), left.float().transpose(1, 2))
        gram_right = torch.bmm(right.float(), right.float().transpose(1, 2))
        return (gram_left * gram_right).sum((1, 2), dtype=torch.float64)
    return torch.stack(
        [
            (row.float().T @ column.float()).square().sum(dtype=torch.float64)
            for row, column in zip(left, right, strict=True)
        ]
    )
