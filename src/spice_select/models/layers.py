"""Which layers of a model carry gradients: its linear layers, found by name, and what could not be found."""

import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from spice_select.errors import InputError, nearest
from spice_select.models.probe import Conduct, conduct_of, text_model


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
    """The module as a linear layer, or None where it is something else, a subclass that computes more than W x + b too.

    Routers, grouped projections and layers that quantise their input are such subclasses.
    """
    if isinstance(module, nn.Linear) and _is_plain(module):
        return LinearLayer(name, module, module.in_features, module.out_features)
    if isinstance(module, Conv1D):
        d_in, d_out = module.weight.shape
        return LinearLayer(name, module, int(d_in), int(d_out))
    return None


_ROUNDING = {torch.bfloat16: 0.02, torch.float16: 0.003}
"""Relative error that the order of operations explains; 1e-4 in other types."""
_PLAIN: "weakref.WeakKeyDictionary[nn.Module, bool]" = weakref.WeakKeyDictionary()


def _is_plain(module: nn.Linear) -> bool:
    """Whether a layer returns W x + b and nothing else. A subclass with a `forward` of its own is tried, once."""
    if type(module).forward is nn.Linear.forward:
        return True
    if module not in _PLAIN:
        _PLAIN[module] = _returns_the_product(module)
    return _PLAIN[module]


def _returns_the_product(module: nn.Linear) -> bool:
    weight = module.weight
    if not weight.dtype.is_floating_point or weight.shape != (module.out_features, module.in_features):
        return False
    x = torch.linspace(-1, 1, 3 * module.in_features, dtype=weight.dtype, device=weight.device).view(1, 3, -1)
    with torch.no_grad():
        expected = functional.linear(x, weight, module.bias)
        try:
            found: Any = module(x)
        except (RuntimeError, TypeError, ValueError, IndexError):
            return False  # it takes inputs of another form
    if not isinstance(found, Tensor) or found.shape != expected.shape:
        return False
    allowed = _ROUNDING.get(weight.dtype, 1e-4) * torch.linalg.vector_norm(expected.float())
    return bool(torch.linalg.vector_norm((found - expected).float()) <= allowed)


def output_head(model: nn.Module) -> LinearLayer:
    """The layer that turns hidden states into logits; one that PEFT has wrapped is the wrapper.

    Gradients are not taken of a wrapped head (`spice_select.models.adapters` refuses it); its logits are as
    good as any.

    Raises:
        InputError: the model has no linear output head, so it is no causal language model that can be used here.
    """
    find = getattr(model, "get_output_embeddings", None)
    head: Any = find() if callable(find) else None
    for name, module in model.named_modules():
        layer = _as_head(name, module) if id(module) == id(head) else None
        if layer is not None:
            return layer
    raise InputError(
        f"{type(model).__name__} has no linear output head: its loss cannot be restricted to responses; "
        "give a causal language model (AutoModelForCausalLM)"
    )


def _as_head(name: str, module: nn.Module) -> LinearLayer | None:
    inside: Any = module
    while isinstance(below := getattr(inside, "base_layer", getattr(inside, "original_module", None)), nn.Module):
        inside = below
    layer = as_linear(name, inside)
    return layer if layer is None or inside is module else LinearLayer(name, module, layer.d_in, layer.d_out)


def linear_layers(model: nn.Module, targets: Sequence[str] | None = None) -> list[LinearLayer]:
    """The linear layers of a model in their own order, the output head left out (as PEFT's ``all-linear`` does).

    Left out are also those that the model does not use as layers (see `uncaptured_parameters`, which names them), and
    those of other parts than its text model that have no part in the logits of a text (towers for images, say).

    Args:
        model: any causal language model.
        targets: names that select layers: a whole name or its last parts (``q_proj``, ``mlp.down_proj``). None: all.

    Raises:
        InputError: a target selects no layer; the message lists the names there are.
    """
    seen, foreign = conduct(model), _foreign(model)
    found = [
        layer
        for layer in _all_layers(model)
        if layer.module not in seen.uncapturable and weight_of(layer) not in foreign
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


def conduct(model: nn.Module) -> Conduct:
    """How the model uses its linear layers; four short forward passes the first time it is asked.

    An adapted layer counts as one, whatever it is made of.
    """
    adapted = [module for module in model.modules() if isinstance(getattr(module, "base_layer", None), nn.Module)]
    inside = {id(part) for module in adapted for part in module.modules()}
    plain = [layer.module for layer in _all_layers(model) if id(layer.module) not in inside]
    return conduct_of(model, [*adapted, *plain], _other_matrices(model), output_head(model).d_out)


def _foreign(model: nn.Module) -> frozenset[Tensor]:
    """Matrices outside the text model that no text reaches. Inside it they may wait for a token: experts do."""
    return conduct(model).idle - set(text_model(model).parameters())


def _other_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Weight matrices that are in no linear layer, embedding or output head."""
    seen = {id(p) for layer in [*_all_layers(model), output_head(model)] for p in layer.module.parameters()}
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            seen |= {id(p) for p in module.parameters()}
    return [p for p in model.parameters() if p.ndim >= 2 and id(p) not in seen]


def _all_layers(model: nn.Module) -> list[LinearLayer]:
    head = output_head(model).module
    return [
        layer
        for name, module in model.named_modules()
        if module is not head and (layer := as_linear(name, module)) is not None
    ]


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
    """Names of weight matrices whose gradients are not seen, embeddings and output head left out.

    Mixture-of-experts models fuse their experts into three-dimensional parameters outside any linear layer; some layers
    compute more than W x + b (routers); of others the weight is read without a call (Mamba's ``dt_proj``), or they work
    on tokens sorted otherwise than by row. Vectors (norm scales, biases) are not listed.
    """
    missed = {id(p) for p in _other_matrices(model)}
    missed |= {id(weight_of(layer)) for layer in _all_layers(model)}
    missed -= {id(weight_of(layer)) for layer in linear_layers(model)} | {id(p) for p in _foreign(model)}
    return [name for name, p in model.named_parameters() if id(p) in missed]


def weight_of(layer: LinearLayer) -> nn.Parameter:
    """The layer's weight as stored: ``[out, in]``, or ``[in, out]`` where `LinearLayer.transposed`."""
    weight: Tensor = layer.module.weight  # type: ignore[assignment]
    assert isinstance(weight, nn.Parameter)  # holds for nn.Linear and Conv1D by construction
    return weight


def _selects(target: str, name: str) -> bool:
    return name == target or name.endswith("." + target)
