"""The same rows' features in several precisions and batch sizes, under several sketch seeds at once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.gradients import HookEngine, LoraGradients
from spice_select.models.layers import output_head
from spice_select.sketch import ParameterBlock, Projection, SparseJL


@dataclass(frozen=True)
class Variant:
    """One way to compute the features.

    Attributes:
        name: what the report calls it.
        against: the variant that it is held against.
        dtype: what weights and activations are held in.
        batch_tokens: tokens in a batch.
        prepared: what is done to the model beforehand.
        products: `torch.set_float32_matmul_precision`.
    """

    name: str
    against: str
    dtype: str = "float32"
    batch_tokens: int = 2048
    prepared: Callable[[nn.Module], None] = lambda model: None
    products: str = "highest"


@dataclass(frozen=True)
class Features:
    """What came of a variant.

    Attributes:
        values: float32 ``[seeds, n, dim]``, the rows in the order given.
        seconds: processor seconds of the gradients, without loading.
    """

    values: NDArray[np.float32]
    seconds: float


def rounded_weights(model: nn.Module) -> None:
    """Weights rounded to bfloat16, in whatever they are held."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.bfloat16())


def wide_head(model: nn.Module) -> None:
    """The output head in float32, weights and product, above layers in bfloat16."""
    head = output_head(model).module
    own = nn.Linear(head.in_features, head.out_features, bias=False)
    own.weight = nn.Parameter(head.weight.float(), requires_grad=False)
    own.register_forward_pre_hook(lambda module, inputs: (inputs[0].float(),))
    model.set_output_embeddings(own)


def variants(batch_tokens: int, other_batch_tokens: int) -> list[Variant]:
    """What is compared; the first is what the others are held against."""
    return [
        Variant("float32", "float32", batch_tokens=batch_tokens),
        Variant("float32, another batch size", "float32", batch_tokens=other_batch_tokens),
        Variant("weights rounded to bfloat16", "float32", batch_tokens=batch_tokens, prepared=rounded_weights),
        Variant("products of bfloat16 factors", "float32", batch_tokens=batch_tokens, products="medium"),
        Variant("bfloat16, head in float32", "float32", "bfloat16", batch_tokens, wide_head),
        Variant("bfloat16", "float32", "bfloat16", batch_tokens),
        Variant("bfloat16, another batch size", "bfloat16", "bfloat16", other_batch_tokens),
    ]


def compute(model: nn.Module, examples: Sequence[Example], variant: Variant, *, dim: int, seeds: int) -> Features:
    """Features of a model that was loaded in the variant's precision; it is changed as the variant says.

    Cost: one pass over the rows; a batch's gradients are sketched `seeds` times.
    """
    variant.prepared(model)
    engine = HookEngine(LoraGradients(seed=0), _Sketches(dim, seeds))  # A is the same for every sketch
    values, seconds = np.zeros((len(examples), seeds * dim), np.float32), 0.0
    with _products(variant.products):
        engine.features(model, examples[:1])  # operators are bound, which is not timed
        for batch in plan_batches([e.num_tokens for e in examples], token_budget=variant.batch_tokens):
            started = process_time()
            values[batch] = engine.features(model, [examples[row] for row in batch]).features
            seconds += process_time() - started
    return Features(values.reshape(len(examples), seeds, dim).swapaxes(0, 1), seconds)


@contextmanager
def _products(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class _Sketches:
    """Sparse sketches of the seeds 0, 1, …, side by side."""

    name = "sketches"

    def __init__(self, dim: int, seeds: int) -> None:
        self.seed, self._dim, self._seeds = 0, dim, seeds

    def bind(self, blocks: Sequence[ParameterBlock]) -> Projection:
        return _SideBySide([SparseJL(self._dim, seed=seed).bind(blocks) for seed in range(self._seeds)])


class _SideBySide(Projection):
    def __init__(self, parts: Sequence[Any]) -> None:
        super().__init__(sum(part.dim for part in parts))
        self._parts = parts

    def add(self, features: Tensor, block: ParameterBlock, gradients: Tensor) -> None:
        start = 0
        for part in self._parts:
            part.add(features[:, start : start + part.dim], block, gradients)
            start += part.dim
