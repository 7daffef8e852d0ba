"""Optimiser steps of the proxy's LoRA on the rows that were picked."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import PairExample, Sample
from spice_select.errors import DivergedError
from spice_select.features.rate import Rate
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.lift import lifted_gradients
from spice_select.gradients.losses import token_losses
from spice_select.gradients.memory import within_memory
from spice_select.gradients.pairs.dpo import DpoReference
from spice_select.gradients.pairs.weights import AnswerSums
from spice_select.sketch import Stream
from spice_select.store.tensors import FIRST_MOMENT, PARAMETER, SECOND_MOMENT, as_kind, of_kind

_MOMENTS = (FIRST_MOMENT, SECOND_MOMENT)
_PIECES = 8  # of a step, if it is long enough: as many processes can share it; more would each leave a GPU idle
_REMEDY = "cut rows shorter with --max-length, or use a smaller proxy"
_SHORTEST = 512  # tokens of a piece: shorter ones cost more than they share out


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


@dataclass(frozen=True, eq=False)
class StepPiece:
    """What some of a step's rows contribute to it.

    Attributes:
        loss: the sum of their token losses over the supervised tokens of the whole step.
        gradient: of that, by parameter; float32.
    """

    loss: float
    gradient: Mapping[str, Tensor]

    def __add__(self, other: "StepPiece") -> "StepPiece":
        """Both contributions; every parameter is in both, or in neither."""
        return StepPiece(
            self.loss + other.loss, {name: own + other.gradient[name] for name, own in self.gradient.items()}
        )


def tree_sum(pieces: Iterable[StepPiece]) -> StepPiece:
    """The sum over a binary tree that their number alone decides, so whoever computed them, the bits are the same.

    Holds about log₂ of them at once. Source: the carries of a binary counter.
    """
    summed: list[tuple[int, StepPiece]] = []
    for piece in pieces:
        size = 1
        while summed and summed[-1][0] == size:
            piece, size = summed.pop()[1] + piece, 2 * size
        summed.append((size, piece))
    total = summed.pop()[1]
    while summed:
        total = summed.pop()[1] + total
    return total


StepPieces = Callable[[Sequence[Sequence[Sample]], int], Iterable[StepPiece]]
"""The contributions of a step's pieces, in order, given their rows and the supervised tokens of the step."""


class ProxyTrainer:
    """AdamW on the trainable parameters of a model.

    A step minimises the mean over all supervised tokens of its rows, as SFT trainers do, or of pairs the mean of DPO's
    losses. It is cut into pieces, which are summed over a fixed tree: the cut follows from the rows alone, and changes
    nothing but rounding.

    Args:
        model: a PEFT model, its adapter trainable and everything else frozen.
        recipe: rates, decay, clipping.
        total_steps: planned steps: the rate falls towards the last of them.
        batch_tokens: tokens in a piece at most, padding included.
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

    def step(self, examples: Sequence[Sample], pieces: StepPieces | None = None) -> Step:
        """One optimiser step.

        Args:
            examples: its rows.
            pieces: who computes what they contribute; the trainer itself, one piece after the other, if not given.

        Raises:
            DivergedError: the loss or its gradient is not finite; parameters and optimizer are as they were.
        """
        supervised = sum(example.num_supervised for example in examples)
        pairs = any(isinstance(example, PairExample) for example in examples)
        among = len(examples) if pairs else supervised
        total = tree_sum((pieces or self.own_pieces)(self.cut(examples), among))
        loss = total.loss
        for name, parameter in self._parameters.items():
            parameter.grad = total.gradient[name].to(parameter) if name in total.gradient else None
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

    def cut(self, examples: Sequence[Sample]) -> list[list[Sample]]:
        """The pieces of a step."""
        lengths = [example.padded_tokens for example in examples]
        budget = self._piece_tokens(sum(lengths))
        return [[examples[position] for position in batch] for batch in plan_batches(lengths, token_budget=budget)]

    def _piece_tokens(self, total: int) -> int:
        """Most tokens of a piece of a step of so many."""
        return min(self._batch_tokens, max(_SHORTEST, -(-total // _PIECES)))

    def own_pieces(self, pieces: Sequence[Sequence[Sample]], supervised: int) -> Iterator[StepPiece]:
        """All contributions, computed here."""
        for number, rows in enumerate(pieces):
            yield self.piece(rows, supervised, number)

    def piece(self, examples: Sequence[Sample], supervised: int, number: int) -> StepPiece:
        """What some rows contribute to the next step.

        Args:
            examples: the rows of the piece.
            supervised: tokens trained on in the whole step; of pairs, how many there are.
            number: of the piece: each has a dropout of its own.

        Raises:
            InputError: a single row does not fit in memory; more rows than fit are taken in halves.
        """
        share = partial(self._share, among=supervised, number=number)
        return tree_sum(within_memory(share, examples, remedy=_REMEDY))

    def _share(self, examples: Sequence[Sample], *, among: int, number: int) -> StepPiece:
        pairs = [example for example in examples if isinstance(example, PairExample)]

        def total() -> Tensor:
            torch.manual_seed(self._dropout_seed(number))
            losses = self.reference.losses(self.model, pairs) if pairs else self._token_losses(examples)
            return losses.sum() / among

        heaviest = (self.reference.beta if pairs else 1.0) / among
        with torch.random.fork_rng(), _training(self.model, dropout=not pairs):
            loss, gradients = lifted_gradients(total, self.model, self._parameters, heaviest=heaviest)
        return StepPiece(float(loss), gradients)

    def _token_losses(self, examples: Sequence[Sample]) -> Tensor:
        batch = PaddedBatch.of(examples, next(self.model.parameters()).device)
        with supervised_positions(self.model, batch):
            logits = self.model(input_ids=batch.input_ids, use_cache=False).logits.squeeze(0)
        return token_losses(logits, batch.targets)

    def _dropout_seed(self, piece: int) -> int:
        drawn = Stream(self._recipe.seed, f"step-{self.steps}", "dropout").words(1, piece)
        return int(drawn[0] >> np.uint64(1))

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
