"""Which layers of a model carry gradients: its linear layers, found by name, and what could not be found."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from spice_select.errors import InputError, nearest


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """A linear map ``y = W x + b`` inside a model.

    Attributes:
        name: dotted name of the module in the model.
        module: ``nn.Linear``, or GPT-2's ``Conv1D``, whose weight is stored as ``[in, out]``.
        d_in: length of x.
        d_out: length of y.
    """

    name: str
    module: nn.Module
    d_in: int
    d_out: int

    @property
    def transposed(self) -> bool:
        """Whether the weight is stored as ``[in, out]``."""
        return isinstance(self.module, Conv1D)


def as_linear(name: str, module: nn.Module) -> LinearLayer | None:
    """The module as a linear layer, or None where it is something else."""
    if isinstance(module, nn.Linear):
        return LinearLayer(name, module, module.in_features, module.out_features)
    if isinstance(module, Conv1D):
        d_in, d_out = module.weight.shape
        return LinearLayer(name, module, int(d_in), int(d_out))
    return None


def output_head(model: nn.Module) -> LinearLayer:
    """The layer that turns hidden states into logits.

    Raises:
        InputError: the model has no linear output head, so it is no causal language model that can be used here.
    """
    find = getattr(model, "get_output_embeddings", None)
    head: Any = find() if callable(find) else None
    for name, module in model.named_modules():
        layer = as_linear(name, module) if id(module) == id(head) else None
        if layer is not None:
            return layer
    raise InputError(
        f"{type(model).__name__} has no linear output head: its loss cannot be restricted to responses; "
        "give a causal language model (AutoModelForCausalLM)"
    )


def linear_layers(model: nn.Module, targets: Sequence[str] | None = None) -> list[LinearLayer]:
    """The linear layers of a model in their own order, the output head left out (as PEFT's ``all-linear`` does).

    Args:
        model: any causal language model.
        targets: names that select layers: a whole name or its last parts (``q_proj``, ``mlp.down_proj``). None: all.

    Raises:
        InputError: a target selects no layer; the message lists the names there are.
    """
    head = output_head(model).module
    found = [
        layer
        for name, module in model.named_modules()
        if module is not head and (layer := as_linear(name, module)) is not None
    ]
    if targets is None:
        return found
    for target in targets:
        if not any(_selects(target, layer.name) for layer in found):
            known = sorted({layer.name.rsplit(".", 1)[-1] for layer in found})
            raise InputError(
                f"target layer {target!r} is not in {type(model).__name__}: its linear layers are "
                f"{', '.join(known)}.{nearest(target, known)}"
            )
    return [layer for layer in found if any(_selects(target, layer.name) for target in targets)]


def in_last_blocks(layers: Sequence[LinearLayer], count: int) -> list[LinearLayer]:
    """The layers in the last `count` transformer blocks, told by the first number in a layer's name.

    Raises:
        InputError: `count` is below 1 or above the number of blocks.
    """
    numbered = [(int(match.group(1)), layer) for layer in layers if (match := re.search(r"\.(\d+)\.", layer.name))]
    blocks = sorted({number for number, _ in numbered})
    if not 1 <= count <= len(blocks):
        raise InputError(f"last {count} blocks: the model has {len(blocks)}; give a number from 1 to that")
    return [layer for number, layer in numbered if number in blocks[-count:]]


def uncaptured_parameters(model: nn.Module) -> list[str]:
    """Names of weight matrices that are in no linear layer, embedding or output head.

    Mixture-of-experts models keep their experts so: fused three-dimensional parameters, outside any linear layer.
    Their gradients are not seen. Vectors (norm scales, biases) are not listed.
    """
    seen = {id(p) for layer in linear_layers(model) for p in layer.module.parameters()}
    seen |= {id(p) for p in output_head(model).module.parameters()}
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            seen |= {id(p) for p in module.parameters()}
    return [name for name, p in model.named_parameters() if p.ndim >= 2 and id(p) not in seen]


def weight_of(layer: LinearLayer) -> nn.Parameter:
    """The layer's weight as stored: ``[out, in]``, or ``[in, out]`` where `LinearLayer.transposed`."""
    weight: Tensor = layer.module.weight  # type: ignore[assignment]
    assert isinstance(weight, nn.Parameter)  # holds for nn.Linear and Conv1D by construction
    return weight


def _selects(target: str, name: str) -> bool:
    return name == target or name.endswith("." + target)
