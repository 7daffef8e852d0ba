"""Gradients of the weights themselves: of all linear layers, of the last few blocks, or of the output head alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
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
    """dW = DᵀX as factors, and db = Σ_t D of a bias that the same layers have."""

    def __init__(
        self, modules: tuple[nn.Module, ...], weight: ParameterBlock, bias: ParameterBlock | None = None
    ) -> None:
        self.modules, self._weight, self._bias = modules, weight, bias
        self.blocks: tuple[ParameterBlock, ...] = (weight,) if bias is None else (weight, bias)

    def keep(self, inputs: Tensor) -> Tensor:
        return inputs

    def gradients(self, kept: Tensor, output_gradients: Tensor) -> Iterator[Dense | Factored]:
        yield Factored(self._weight, output_gradients, kept)
        if self._bias is not None:
            yield _bias_gradients(self._bias, output_gradients)


class _BiasCapture:
    """db = Σ_t D of a bias that other layers have than the weight beside it: tied layers, each with its own."""

    def __init__(self, modules: tuple[nn.Module, ...], bias: ParameterBlock) -> None:
        self.modules = modules
        self.blocks: tuple[ParameterBlock, ...] = (bias,)

    def keep(self, inputs: Tensor) -> Tensor:
        return inputs[..., :1]  # nothing of it is needed but the shape

    def gradients(self, kept: Tensor, output_gradients: Tensor) -> Iterator[Dense | Factored]:
        yield _bias_gradients(self.blocks[0], output_gradients)


def _bias_gradients(bias: ParameterBlock, output_gradients: Tensor) -> Dense:
    return Dense(bias, output_gradients.float().sum(1).unsqueeze(2))


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
        found, captures = list(_held(self._layers(model), linear_layers(model))), list[Capture]()
        for own, following in zip_longest(found, found[1:]):
            if not own.is_bias:
                beside = following is not None and following.is_bias and following.modules == own.modules
                captures.append(_WeightCapture(own.modules, own.block, following.block if beside else None))
            elif not captures or own.block not in captures[-1].blocks:
                captures.append(_BiasCapture(own.modules, own.block))
        return captures

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[Attached]:
        """The weights themselves as autograd leaves."""
        held = _held(self._layers(model), linear_layers(model))
        yield Attached(model, tuple(Leaf(own.block, own.parameter, own.transposed) for own in held))

    def coverage(self, model: nn.Module) -> Coverage:
        """The blocks, and the weight matrices outside any linear layer."""
        blocks = tuple(block for capture in self.captures(model) for block in capture.blocks)
        return Coverage(blocks, tuple(uncaptured_parameters(model)))

    def _layers(self, model: nn.Module) -> list[LinearLayer]:
        layers = linear_layers(model, self.targets)
        return layers if self.last_blocks is None else in_last_blocks(layers, self.last_blocks)


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
        head = output_head(model)
        return [_WeightCapture((head.module,), _weight_block(head))]

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[Attached]:
        """The head with a weight of its own, so that a tied embedding does not add its share."""
        head = output_head(model)
        tied = weight_of(head)
        own = nn.Parameter(tied.detach().clone())
        head.module.weight = own
        try:
            yield Attached(model, (Leaf(_weight_block(head), own, head.transposed),))
        finally:
            head.module.weight = tied

    def coverage(self, model: nn.Module) -> Coverage:
        """The head's weight; all else is left out by intent."""
        return Coverage(self.captures(model)[0].blocks, ())


def _refuse_others(model: nn.Module) -> None:
    """Quantised layers compute with other weights than they show, and so do adapters that are not plain."""
    refuse_unusable(model)
    refuse_unplain_layers(model)


@dataclass(frozen=True, slots=True)
class _Held:
    """A weight or a bias, and all layers of the model that compute with it: its gradient is the sum over them."""

    block: ParameterBlock
    parameter: nn.Parameter
    modules: tuple[nn.Module, ...]
    is_bias: bool
    transposed: bool


def _held(chosen: Sequence[LinearLayer], every: Sequence[LinearLayer]) -> Iterator[_Held]:
    """The parameters of some layers, each once, under the name of the first that has it."""
    holders: dict[int, list[nn.Module]] = {}
    for layer in every:
        for parameter in (weight_of(layer), _bias_of(layer)):
            holders.setdefault(id(parameter), []).append(layer.module)
    seen = set[int]()
    for layer in chosen:
        weight, bias = weight_of(layer), _bias_of(layer)
        if id(weight) not in seen:
            yield _Held(_weight_block(layer), weight, tuple(holders[id(weight)]), False, layer.transposed)
        if bias is not None and id(bias) not in seen:
            block = ParameterBlock(f"{layer.name}.bias", (layer.d_out, 1))
            yield _Held(block, bias, tuple(holders[id(bias)]), True, False)
        seen |= {id(weight), id(bias)}


def _weight_block(layer: LinearLayer) -> ParameterBlock:
    return ParameterBlock(f"{layer.name}.weight", (layer.d_out, layer.d_in))


def _bias_of(layer: LinearLayer) -> nn.Parameter | None:
    bias: nn.Parameter | None = getattr(layer.module, "bias", None)
    return bias


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
