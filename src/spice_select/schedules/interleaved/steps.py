"""Optimiser steps of the proxy's LoRA on the rows that were picked."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import PairExample, Sample
from spice_select.errors import DivergedError
from spice_select.features.rate import Rate
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.losses import token_losses
from spice_select.gradients.pairs.dpo import DpoReference
from spice_select.gradients.pairs.weights import AnswerSums
from spice_select.sketch import Stream
from spice_select.store.tensors import FIRST_MOMENT, PARAMETER, SECOND_MOMENT, as_kind, of_kind

_MOMENTS = (FIRST_MOMENT, SECOND_MOMENT)


@dataclass(frozen=True, kw_only=True)
class StepRecipe:
    """How the proxy is trained.

    Attributes:
        learning_rate: peak rate of AdamW.
        warmup: share of the steps over which the rate rises linearly.
        decay: ``linear`` or ``cosine`` to zero, or ``none``.
        weight_decay, clip_norm: AdamW's decay; longest gradient of a step.
        seed: of the dropout; step s draws from its own stream (seed, s), so that no generator state needs keeping.
    """

    learning_rate: float = 2e-4
    warmup: float = 0.03
    decay: str = "linear"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    seed: int = 0

    def rate(self, step: int, total: int) -> float:
        """Learning rate of step 0 … total−1."""
        return Rate(peak=self.learning_rate, warmup=self.warmup, decay=self.decay).at(step, total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One optimiser step.

    Attributes:
        step: its number, from 0.
        rate: learning rate.
        loss: mean over the supervised tokens of the step, or DPO's over its pairs, before it was made.
        gradient_norm: before clipping.
        rows, tokens, supervised: what it was made on.
    """

    step: int
    rate: float
    loss: float
    gradient_norm: float
    rows: int
    tokens: int
    supervised: int


class ProxyTrainer:
    """AdamW on the trainable parameters of a model.

    A step minimises the mean over all supervised tokens of its rows, as SFT trainers do, or of pairs the mean of DPO's
    losses; it is accumulated over micro-batches under a token budget, each weighted by its tokens (its pairs), so that
    the split changes nothing but rounding.

    Args:
        model: a PEFT model, its adapter trainable and everything else frozen.
        recipe: rates, decay, clipping.
        total_steps: planned steps: the rate falls towards the last of them.
        batch_tokens: tokens in a micro-batch, padding included.
        reference: what pairs are held against; that of sums and β 0.1 if not given.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: StepRecipe,
        *,
        total_steps: int,
        batch_tokens: int,
        reference: DpoReference | None = None,
    ) -> None:
        self.model, self.reference = model, reference or DpoReference(AnswerSums())
        self.steps = 0
        self._recipe, self._total, self._batch_tokens = recipe, total_steps, batch_tokens
        self._parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._optimiser = torch.optim.AdamW(
            list(self._parameters.values()), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )

    def step(self, examples: Sequence[Sample]) -> Step:
        """One optimiser step.

        Raises:
            DivergedError: the loss or its gradient is not finite; parameters and optimizer are as they were.
        """
        supervised = sum(example.num_supervised for example in examples)
        pairs = any(isinstance(example, PairExample) for example in examples)
        whole = len(examples) if pairs else supervised
        with torch.random.fork_rng(), _training(self.model, dropout=not pairs):
            torch.manual_seed(self._dropout_seed())
            loss = sum(self._accumulate(batch, whole) for batch in self._micro_batches(examples))
        norm = float(nn.utils.clip_grad_norm_(self._parameters.values(), self._recipe.clip_norm))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._optimiser.zero_grad()
            raise DivergedError(
                f"step {self.steps} of the proxy's training: loss {loss}, gradient norm {norm}. The step was not made "
                "and the last good state is kept. Lower --learning-rate, or use --dtype float32, in another --out."
            )
        rate = self._recipe.rate(self.steps, self._total)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.steps += 1
        return Step(
            step=self.steps - 1,
            rate=rate,
            loss=loss,
            gradient_norm=norm,
            rows=len(examples),
            tokens=sum(example.num_tokens for example in examples),
            supervised=supervised,
        )

    def _dropout_seed(self) -> int:
        return int(Stream(self._recipe.seed, f"step-{self.steps}", "dropout").words(1)[0] >> np.uint64(1))

    def _micro_batches(self, examples: Sequence[Sample]) -> list[list[Sample]]:
        plan = plan_batches([example.padded_tokens for example in examples], token_budget=self._batch_tokens)
        return [[examples[position] for position in batch] for batch in plan]

    def _accumulate(self, examples: Sequence[Sample], whole: int) -> float:
        """Add the gradient of the micro-batch' summed losses over `whole`: the step's supervised tokens, or pairs."""
        pairs = [example for example in examples if isinstance(example, PairExample)]
        loss = (self.reference.losses(self.model, pairs).sum() if pairs else self._token_losses(examples)) / whole
        torch.autograd.backward(loss)
        return float(loss.detach())

    def _token_losses(self, examples: Sequence[Sample]) -> Tensor:
        batch = PaddedBatch.of(examples, next(self.model.parameters()).device)
        with supervised_positions(self.model, batch):
            logits = self.model(input_ids=batch.input_ids, use_cache=False).logits.squeeze(0)
        return token_losses(logits, batch.targets).sum()

    def state(self) -> dict[str, Tensor]:
        """Parameters and AdamW's moments by name, on the CPU; with `steps`, all there is to resume from."""
        tensors = as_kind(PARAMETER, {name: p.detach() for name, p in self._parameters.items()})
        states = {name: self._optimiser.state.get(parameter, {}) for name, parameter in self._parameters.items()}
        for kind in _MOMENTS:
            tensors |= as_kind(kind, {name: state[kind] for name, state in states.items() if kind in state})
        return {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Back to a `state` taken after so many steps."""
        self.steps = steps
        weights, moments = of_kind(PARAMETER, tensors), {kind: of_kind(kind, tensors) for kind in _MOMENTS}
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(weights[name])
                if name in moments[FIRST_MOMENT]:
                    self._optimiser.state[parameter] = {
                        "step": torch.tensor(float(steps)),
                        **{kind: moments[kind][name].to(parameter).clone() for kind in _MOMENTS},
                    }


@contextmanager
def _training(model: nn.Module, *, dropout: bool) -> Iterator[None]:
    """Gradients, and dropout where it is wanted (DPO's reference has none); then back to what it was."""
    before = model.training
    model.train(dropout)
    try:
        with torch.enable_grad():
            yield
    finally:
        model.train(before)
