"""A warm adapter at the price of a fresh one: its product folded into the weights while gradients are taken.

PEFT computes W x + s·B(A x) in three products, forwards and backwards. The gradients of A and B need only the layer's
input and the gradient at its output, which are the same when the layer computes (W + s·BA) x in one. So W is replaced
for the time that a pool takes, and afterwards put back from a copy, bit for bit.

A weight that several layers compute with (Zamba2's shared block, tied layers) is no place for the product of one of
them: those layers compute as PEFT does.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spice_select.models.layers import as_linear
from spice_select.models.lora import lora_modules


@contextmanager
def folded(model: nn.Module) -> Iterator[None]:
    """Let every adapted layer compute with W + s·BA alone; weights and layers are restored on leaving.

    Only layers in float32 are folded: in half precision the sum would round the update away; and only those whose
    weight no other layer has. Inside, neither train nor save the model. Cost: one low-rank product a layer; memory: a
    copy of the adapted weights.
    """
    kept: list[tuple[Any, Tensor]] = []
    shared = _shared_weights(model)
    try:
        for name, module in lora_modules(model).items():
            if id(module.base_layer.weight) not in shared:  # type: ignore[union-attr]
                kept += _fold(name, module)
        yield
    finally:
        for layer, weight in kept:
            del layer.forward
            with torch.no_grad():
                layer.base_layer.weight.copy_(weight)


def _shared_weights(model: nn.Module) -> set[int]:
    """Ids of the parameters that are in the model more than once; a module that two hold counts for each of them."""
    places = Counter(
        id(parameter)
        for parent in model.modules()
        for child in parent.children()
        for parameter in child.parameters(recurse=False)
    )
    return {found for found, count in places.items() if count > 1}


def _fold(name: str, layer: Any) -> list[tuple[Any, Tensor]]:
    base = as_linear(name, layer.base_layer)
    weight = layer.base_layer.weight
    if base is None or weight.dtype != torch.float32 or layer.active_adapters != ["default"]:
        return []
    before = weight.detach().clone()
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    left, right = (a.T, b.T) if base.transposed else (b, a)
    with torch.no_grad():
        weight.addmm_(left, right, alpha=layer.scaling["default"])
    layer.forward = layer.base_layer.forward  # hooks stay on the adapted layer: they are called around it
    return [(layer, before)]
