"""A short training of the proxy's LoRA before its gradients are taken, as LESS does (arXiv 2402.04333, section 4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.errors import InputError
from spice_select.features.warm import Warm
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.lengths import refuse_long_rows
from spice_select.gradients.losses import ResponseLoss, TokenMean, token_losses
from spice_select.gradients.parameters.lora import initial_a
from spice_select.gradients.preconditioner import AdamState, Moments
from spice_select.models.lora import LoraSpec, adapter_weights, attach_lora


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """How a LoRA is warmed up: AdamW, a constant rate, no decay, one pass over a seeded sample.

    Attributes:
        rows: rows drawn; fewer if the corpus has fewer.
        step_rows: rows in an optimiser step, which minimises the mean of their losses.
        learning_rate: of AdamW.
        batch_tokens: tokens in a forward pass, padding included; a step is accumulated over several.
        seed: of the draw and of A.
    """

    rows: int
    step_rows: int = 8
    learning_rate: float = 2e-4
    batch_tokens: int = 2048
    seed: int = 0


def train_warmup(
    model: nn.Module,
    examples: Sequence[Example],
    spec: LoraSpec,
    how: Warmup,
    *,
    loss: ResponseLoss | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Warm:
    """Train a fresh LoRA for a few steps.

    The same arguments give the same bits on one machine with one number of threads. Cost: about three forward passes
    of the drawn rows; memory as for a batch of gradients, and four numbers for each parameter of the adapter.

    Args:
        model: without adapters; changed in place, as PEFT does.
        examples: the corpus to draw from.
        spec: where the LoRA goes.
        how: rows, rate, seed.
        loss: how token losses become a row's loss.
        advance: told of rows done.

    Returns:
        The PEFT model in evaluation mode, nothing trainable, and AdamW's state.

    Raises:
        InputError: no rows, or one that the model cannot read, or a loss that is not finite.
    """
    if how.rows < 1 or not examples:
        raise InputError(f"a warm-up of {how.rows} rows from {len(examples)}: both must be at least 1")
    drawn = np.random.default_rng([how.seed, 1]).permutation(len(examples))[: how.rows]
    rows = [examples[int(index)] for index in drawn]
    refuse_long_rows(model, rows)
    adapted = attach_lora(
        model, spec, {layer.name: initial_a(layer, spec.rank, how.seed) for layer in spec.layers(model)}
    )
    weights = adapter_weights(adapted)
    adapted.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(list(weights.values()), lr=how.learning_rate, weight_decay=0.0)
    adapted.eval()  # no dropout: the drawn rows alone decide the result
    for start in range(0, len(rows), how.step_rows):
        step = rows[start : start + how.step_rows]
        _accumulate(adapted, step, loss or TokenMean(), how.batch_tokens)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        advance(len(step))
    adapted.requires_grad_(False)
    return Warm(model=adapted, state=_state(optimiser, weights))


def _accumulate(model: nn.Module, rows: Sequence[Example], loss: ResponseLoss, batch_tokens: int) -> None:
    """Add the gradient of the mean of the rows' losses."""
    device = next(model.parameters()).device
    with torch.enable_grad():
        for positions in plan_batches([row.num_tokens for row in rows], token_budget=batch_tokens):
            batch = PaddedBatch.of([rows[position] for position in positions], device)
            with supervised_positions(model, batch):
                logits = model(input_ids=batch.input_ids, use_cache=False).logits.squeeze(0)
            weights = loss.token_weights(batch.counts)[batch.rows] / len(rows)
            total = (token_losses(logits, batch.targets) * weights).sum()
            if not torch.isfinite(total):
                numbers = [rows[position].row for position in positions]
                raise InputError(
                    f"the warm-up's loss is {float(total)} on rows {numbers}: use --dtype float32, or leave "
                    "--warmup-rows out"
                )
            torch.autograd.backward(total)


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
