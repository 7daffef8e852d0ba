"""What half precision does to gradients, emulated by rounding, so that it can be seen where no hardware has it.

Weights are rounded once. What each embedding, linear layer and norm hands on is rounded on the way forward, and its
gradient on the way back. Sums inside a layer, attention, residual additions and the loss stay in float32, so real
hardware, which rounds residual sums too, does somewhat worse.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spice_select.data.records import Example
from spice_select.gradients.fidelity import compare_grams, inner_products

from .exact import exact_gradients
from .sweep import picks, retained_information

DTYPES = (torch.bfloat16, torch.float16)


@contextmanager
def rounded(model: nn.Module, dtype: torch.dtype, *, activations: bool) -> Iterator[None]:
    """The float32 model with its weights, and if wanted what its layers hand on, rounded to `dtype`; then as before."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    handles = [m.register_forward_hook(_round(dtype)) for m in model.modules() if activations and _layer(m)]
    try:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(parameter.to(dtype))
        yield
    finally:
        for handle in handles:
            handle.remove()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(before[name])


def measure_precision(model: nn.Module, examples: Sequence[Example], token_budget: int) -> Iterator[dict[str, Any]]:
    """A record for each dtype, for rounded weights alone and with rounded activations, against plain float32."""
    true = inner_products(exact_gradients(model, examples, token_budget)[0])
    wanted = picks(true)
    for dtype in DTYPES:
        for activations in (False, True):
            with rounded(model, dtype, activations=activations):
                whole = exact_gradients(model, examples, token_budget)[0]
            finite = bool(np.isfinite(whole).all())
            record: dict[str, Any] = {
                "dtype": str(dtype).removeprefix("torch."),
                "rounded": "weights and activations" if activations else "weights",
                "finite": finite,
            }
            if finite:
                estimate = inner_products(whole)
                found = picks(estimate)
                figures = asdict(compare_grams(true, estimate, sketch="", dim=whole.shape[1]))
                record |= {k: v for k, v in figures.items() if isinstance(v, float)}
                record["overlap"] = {key: len(wanted[key] & found[key]) / len(wanted[key]) for key in wanted}
                record["retained"] = retained_information(true, wanted, found)
            yield record


def _layer(module: nn.Module) -> bool:
    """Embeddings, linear layers (GPT-2's kind too) and norms: what owns parameters of its own."""
    return any(True for _ in module.parameters(recurse=False))


def _round(dtype: torch.dtype) -> Any:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        return output.to(dtype).to(output.dtype) if isinstance(output, Tensor) else output

    return hook
