"""What is timed: each subject takes a model and a batch and does all the work of a gradient pass over it."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spice_select.data.records import Example
from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients
from spice_select.sketch import Kronecker, ParameterBlock, Projection, Sketch, SparseJL

Subject = Callable[[nn.Module, Sequence[Example]], object]


def plain(model: nn.Module, examples: Sequence[Example]) -> None:
    """The yardstick: frozen weights, one batched forward and backward pass with all logits, to the embeddings."""
    device = next(model.parameters()).device
    width = max(e.num_tokens for e in examples)
    ids = torch.zeros(len(examples), width, dtype=torch.int64)
    labels = torch.full((len(examples), width), -100)
    for row, e in enumerate(examples):
        ids[row, : e.num_tokens] = torch.from_numpy(e.input_ids.astype(np.int64))
        mask = torch.from_numpy(e.supervised)
        labels[row, : e.num_tokens][mask] = ids[row, : e.num_tokens][mask]
    ids, labels = ids.to(device), labels.to(device)
    embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
    with torch.enable_grad():
        logits = model(inputs_embeds=embedded, use_cache=False).logits
        loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="sum")
        torch.autograd.backward(loss)


class TimedSketch:
    """Another sketch, with the seconds spent in it."""

    def __init__(self, inner: Sketch) -> None:
        self.inner, self.seconds, self.seed, self.name = inner, 0.0, inner.seed, inner.name

    def bind(self, blocks: Sequence[ParameterBlock]) -> Projection:
        timer = self

        class Timed(Projection):
            def __init__(self, inner: Projection) -> None:
                super().__init__(inner.dim)
                self.inner, self.takes_factors = inner, inner.takes_factors

            def add(self, features: Tensor, block: ParameterBlock, gradients: Tensor) -> None:
                start = perf_counter()
                self.inner.add(features, block, gradients)
                timer.seconds += perf_counter() - start

            def add_factors(self, features: Tensor, block: ParameterBlock, left: Tensor, right: Tensor) -> None:
                start = perf_counter()
                self.inner.add_factors(features, block, left, right)
                timer.seconds += perf_counter() - start

        return Timed(self.inner.bind(blocks))


def subjects(dim: int, sketch: Sketch) -> dict[str, Subject]:
    """Everything that is compared, by name."""
    two_sided = Kronecker(dim)
    return {
        "plain": plain,
        "engine": HookEngine(LoraGradients(), sketch).features,
        "loop": LoopEngine(LoraGradients(), SparseJL(dim)).features,
        "last-layer": HookEngine(LastLayer(), two_sided).features,
        "last-4-blocks": HookEngine(FullWeights(last_blocks=4), two_sided).features,
        "full-weights": HookEngine(FullWeights(), two_sided).features,
    }
