"""The oracle: one example at a time, plain autograd, nothing clever. Every other engine is tested against it."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spice_select.data.records import Example, PairExample, Sample
from spice_select.gradients.base import Attached, BatchGradients, Leaf, Parameters
from spice_select.gradients.lift import lifted_gradients
from spice_select.gradients.losses import ResponseLoss, TokenMean
from spice_select.gradients.pairs.base import PairGradient
from spice_select.gradients.pairs.weights import AnswerSums
from spice_select.gradients.parameters.lora import LoraGradients
from spice_select.gradients.preconditioner import Preconditioner
from spice_select.sketch import Projection, Sketch, default_sketch


@dataclass(frozen=True, slots=True)
class LoopEngine:
    """Sketched gradients by a forward and a backward pass for each example, with all logits.

    Attributes:
        parameters: whose gradients.
        sketch: how they are shortened.
        loss: how token losses become a row's loss.
        preconditioner: what is done to each block's gradient before the sketch; None for nothing.
        pairs: how the tokens of pairs count, in place of `loss`.
    """

    parameters: Parameters = field(default_factory=LoraGradients)
    sketch: Sketch = field(default_factory=default_sketch)
    loss: ResponseLoss = field(default_factory=TokenMean)
    preconditioner: Preconditioner | None = None
    pairs: PairGradient = field(default_factory=AnswerSums)

    def features(self, model: nn.Module, examples: Sequence[Sample]) -> BatchGradients:
        """Sketched gradients, one example after the other; see `BatchGradients`."""
        with self.parameters.attached(model) as attached, only_leaves_trainable(attached):
            projection = self.sketch.bind([leaf.block for leaf in attached.leaves])
            rows = [self._one(attached, projection, example) for example in examples]
        features, losses, norms = zip(*rows, strict=True)
        return BatchGradients(features=np.stack(features), losses=np.array(losses), norms=np.array(norms))

    def _one(self, attached: Attached, projection: Projection, example: Sample) -> tuple[np.ndarray, float, float]:
        sign = example.sign if isinstance(example, Example) else 1
        signed, gradients = lifted_gradients(
            lambda: sign * self._loss(attached.model, example),
            attached.model,
            {leaf.block.name: leaf.parameter for leaf in attached.leaves},
            heaviest=self._heaviest(example),
        )
        loss = sign * signed
        feature = torch.zeros(1, projection.dim, device=loss.device)
        square = 0.0
        for leaf in attached.leaves:
            matrix = _matrix(leaf, gradients.get(leaf.block.name))
            if self.preconditioner is not None:
                matrix = self.preconditioner.apply(leaf.block, matrix[None])[0]
            projection.add(feature, leaf.block, matrix[None])
            square += float(matrix.double().square().sum())
        return feature[0].cpu().numpy(), loss.item(), square**0.5

    def _loss(self, model: nn.Module, example: Sample) -> Tensor:
        if isinstance(example, PairExample):
            return self._log_probability(model, example, 0) - self._log_probability(model, example, 1)
        per_token = self._token_losses(model, example)
        weight = self.loss.token_weights(torch.tensor([len(per_token)], device=per_token.device))[0]
        return per_token.sum() * weight

    def _heaviest(self, example: Sample) -> float:
        """What a token counts in the loss at most."""
        if isinstance(example, PairExample):
            return max(float(self._weights(example, side).max()) for side in (0, 1))
        return float(self.loss.token_weights(torch.tensor([example.num_supervised]))[0])

    def _log_probability(self, model: nn.Module, pair: PairExample, side: int) -> Tensor:
        """Of one of a pair's answers, its tokens weighed; those that both begin with are not left out."""
        logs = -self._token_losses(model, pair.sequences[side])
        return (logs * self._weights(pair, side).to(logs.device)).sum()

    def _weights(self, pair: PairExample, side: int) -> Tensor:
        """Of the tokens of one of a pair's answers."""
        places = torch.arange(pair.sequences[side].num_supervised)
        own, other = (torch.full_like(places, pair.sequences[which].num_supervised) for which in (side, 1 - side))
        chosen = torch.full_like(places, side == 0, dtype=torch.bool)
        return self.pairs.token_weights(places, own, other, chosen)

    def _token_losses(self, model: nn.Module, example: Example) -> Tensor:
        """Cross-entropy of each supervised token, ``[n]``."""
        device = next(model.parameters()).device
        ids = torch.from_numpy(example.input_ids.astype(np.int64)).to(device)
        supervised = torch.from_numpy(example.supervised).to(device)
        logits = model(input_ids=ids[None], use_cache=False).logits[0]
        return functional.cross_entropy(_widest(logits[:-1]), ids[1:], reduction="none")[supervised[1:]]


def _widest(logits: Tensor) -> Tensor:
    """In float64 where there is such: PyTorch's float32 log softmax costs a row 1e-4 of its gradient (SmolLM2)."""
    return logits.float() if logits.device.type == "mps" else logits.double()


def _matrix(leaf: Leaf, gradient: Tensor | None) -> Tensor:
    if gradient is None:  # the example does not reach this parameter: an expert it was not routed to
        warnings.warn(f"{leaf.block.name} is unused: its gradient counts as zero")
        return torch.zeros(leaf.block.shape, device=leaf.parameter.device)
    matrix = gradient.float().T if leaf.transposed else gradient.float()
    return matrix.reshape(leaf.block.shape)


@contextmanager
def only_leaves_trainable(attached: Attached) -> Iterator[None]:
    """Evaluation mode, gradients for the leaves and nothing else; everything put back on leaving."""
    model = attached.model
    leaves = {id(leaf.parameter) for leaf in attached.leaves}
    before = [(p, p.requires_grad) for p in model.parameters()]
    training = model.training
    model.eval()
    for parameter, _ in before:
        parameter.requires_grad_(id(parameter) in leaves)
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter, flag in before:
            parameter.requires_grad_(flag)
        model.train(training)
