"""A short training of the proxy's LoRA before its gradients are taken, as LESS does (arXiv 2402.04333, section 4)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import PairExample, Sample
from spice_select.errors import InputError
from spice_select.features.warm import Warm
from spice_select.features.warm_plan import Warmup as Warmup
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.checkpoints import Checkpoint
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.lengths import refuse_long_rows
from spice_select.gradients.lift import lifted_gradients
from spice_select.gradients.losses import ResponseLoss, TokenMean, token_losses
from spice_select.gradients.memory import within_memory
from spice_select.gradients.pairs.dpo import DpoReference
from spice_select.gradients.pairs.weights import AnswerSums
from spice_select.gradients.parameters.lora import initial_a
from spice_select.gradients.preconditioner import AdamState, Moments
from spice_select.models.lora import LoraSpec, adapter_weights, attach_lora

_REMEDY = "cut rows shorter with --max-length, use a smaller proxy, or leave the warm-up out"


def train_warmup(
    model: nn.Module,
    examples: Sequence[Sample],
    spec: LoraSpec,
    how: Warmup,
    *,
    loss: ResponseLoss | None = None,
    reference: DpoReference | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Warm:
    """Train a fresh LoRA for a few steps.

    The same arguments give the same bits on one machine with one number of threads. Cost: about three forward passes
    of the drawn rows; memory as for a batch of gradients, and four numbers for each parameter of the adapter (three
    more at each checkpoint, where there are several).

    Args:
        model: without adapters; changed in place, as PEFT does.
        examples: the corpus to draw from.
        spec: where the LoRA goes.
        how: rows, passes, rate, checkpoints, seed.
        loss: how token losses become a row's loss.
        reference: what pairs are held against, in place of `loss`; that of sums and β 0.1 if not given.
        advance: told of rows done.

    Returns:
        The PEFT model in evaluation mode, nothing trainable, and AdamW's state; both at each checkpoint, where there
        are several.

    Raises:
        InputError: no rows, or one that the model cannot read, fewer steps than checkpoints, or a loss that is not
            finite.
    """
    if how.rows < 1 or not examples:
        raise InputError(f"a warm-up of {how.rows} rows from {len(examples)}: both must be at least 1")
    how = how.of(len(examples))
    drawn = np.random.default_rng([how.seed, 1]).permutation(len(examples))[: how.rows]
    rows, ends = [examples[int(index)] for index in drawn], how.ends
    refuse_long_rows(model, rows)
    adapted = attach_lora(
        model, spec, {layer.name: initial_a(layer, spec.rank, how.seed) for layer in spec.layers(model)}
    )
    weights = adapter_weights(adapted)
    adapted.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(list(weights.values()), lr=how.rate.peak, weight_decay=0.0)
    adapted.eval()  # no dropout: the drawn rows alone decide the result
    reached, held = list[Checkpoint](), reference or DpoReference(AnswerSums())
    for number, step in enumerate(_steps(rows, how)):
        optimiser.param_groups[0]["lr"] = how.rate.at(number, how.steps)
        _accumulate(adapted, weights, step, loss or TokenMean(), held, how.batch_tokens)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        advance(len(step))
        if len(ends) > 1 and number + 1 in ends:
            reached.append(_checkpoint(optimiser, weights))
    adapted.requires_grad_(False)
    return Warm(model=adapted, state=_state(optimiser, weights), checkpoints=tuple(reached))


def _steps(rows: Sequence[Sample], how: Warmup) -> Iterator[Sequence[Sample]]:
    """The rows of each step: the first pass in the order drawn, each other in an order of its own."""
    for number in range(how.passes):
        order = np.random.default_rng([how.seed, 1, number]).permutation(len(rows)) if number else range(len(rows))
        turned = [rows[int(index)] for index in order]
        for start in range(0, len(rows), how.step_rows):
            yield turned[start : start + how.step_rows]


def _accumulate(
    model: nn.Module,
    weights: Mapping[str, nn.Parameter],
    rows: Sequence[Sample],
    loss: ResponseLoss,
    reference: DpoReference,
    batch_tokens: int,
) -> None:
    """Add the gradient of the mean of the rows' losses: of answers their own, of pairs DPO's."""
    share = partial(_share, model, weights, loss=loss, reference=reference, among=len(rows))
    for positions in plan_batches([row.padded_tokens for row in rows], token_budget=batch_tokens):
        for gradients in within_memory(share, [rows[position] for position in positions], remedy=_REMEDY):
            for name, gradient in gradients.items():
                own, added = weights[name], gradient.to(weights[name])
                own.grad = added if own.grad is None else own.grad.add_(added)


def _share(
    model: nn.Module,
    weights: Mapping[str, nn.Parameter],
    batch: Sequence[Sample],
    *,
    loss: ResponseLoss,
    reference: DpoReference,
    among: int,
) -> dict[str, Tensor]:
    """What a batch adds to the gradient of the mean loss of so many rows."""
    pairs = [row for row in batch if isinstance(row, PairExample)]
    counts = torch.tensor([row.num_supervised for row in batch])
    heaviest = reference.beta if pairs else float(loss.token_weights(counts).max())

    def total() -> Tensor:
        return reference.losses(model, pairs).sum() / among if pairs else _of_answers(model, batch, loss, among)

    with torch.enable_grad():
        value, gradients = lifted_gradients(total, model, weights, heaviest=heaviest / among)
    if not torch.isfinite(value):
        numbers = [row.row for row in batch]
        raise InputError(
            f"the warm-up's loss is {float(value)} on rows {numbers}: use --dtype float32, or leave the warm-up out"
        )
    return gradients


def _of_answers(model: nn.Module, rows: Sequence[Sample], loss: ResponseLoss, among: int) -> Tensor:
    """What a batch of answers adds to the mean loss of so many."""
    batch = PaddedBatch.of(rows, next(model.parameters()).device)
    with supervised_positions(model, batch):
        logits = model(input_ids=batch.input_ids, use_cache=False).logits.squeeze(0)
    weights = loss.token_weights(batch.counts)[batch.rows] / among
    return (token_losses(logits, batch.targets) * weights).sum()


def _checkpoint(optimiser: torch.optim.AdamW, weights: dict[str, nn.Parameter]) -> Checkpoint:
    """A copy of what the adapter and the optimiser are now."""
    now = _state(optimiser, weights)
    copied = {name: Moments(own.first.clone(), own.second.clone()) for name, own in now.moments.items()}
    values = {name: weight.detach().clone() for name, weight in weights.items()}
    return Checkpoint(values, replace(now, moments=copied))


def _state(optimiser: torch.optim.AdamW, weights: dict[str, nn.Parameter]) -> AdamState:
    group = optimiser.param_groups[0]
    states = {name: optimiser.state[weight] for name, weight in weights.items()}
    return AdamState(
        moments={name: Moments(state["exp_avg"], state["exp_avg_sq"]) for name, state in states.items()},
        steps=int(next(iter(states.values()))["step"]),
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        eps=group["eps"],
    )
