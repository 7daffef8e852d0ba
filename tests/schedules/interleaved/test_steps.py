"""Optimiser steps of the proxy's LoRA."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spice_select.errors import DivergedError
from spice_select.gradients import HookEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepRecipe
from spice_select.sketch import Identity
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import tiny_model
from tests.rounding import Reach


def trainer(
    *,
    batch_tokens: int = 1000,
    dropout: float = 0.0,
    architecture: str = "llama",
    dtype: torch.dtype = torch.float32,
    **recipe,
) -> ProxyTrainer:
    model, spec = tiny_model(architecture).to(dtype), LoraSpec(rank=4, alpha=12.0, dropout=dropout)
    adapted = attach_lora(model, spec, {layer.name: initial_a(layer, 4, 0) for layer in spec.layers(model)})
    return ProxyTrainer(adapted, StepRecipe(**recipe), total_steps=10, batch_tokens=batch_tokens)


def parameters(one: ProxyTrainer) -> dict[str, torch.Tensor]:
    return {name: value for name, value in one.state().items() if name.startswith("parameter:")}


def oracle_loss(model: nn.Module, examples) -> torch.Tensor:
    """Cross-entropy from full logits, row by row, over all supervised tokens of the step."""
    total, count = torch.zeros(()), 0
    for example in examples:
        ids = torch.from_numpy(example.input_ids.astype(np.int64))[None]
        logits = model(input_ids=ids, use_cache=False).logits[0]
        losses = functional.cross_entropy(logits[:-1].float(), ids[0, 1:], reduction="none")
        mask = torch.from_numpy(example.supervised[1:])
        total, count = total + losses[mask].sum(), count + int(mask.sum())
    return total / count


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gpt2"])
def test_steps_equal_plain_torch(architecture: str) -> None:
    fast, slow = trainer(architecture=architecture, clip_norm=0.05), trainer(architecture=architecture)
    slow.model.eval()
    weights = [p for p in slow.model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, weight_decay=0.01)
    if architecture == "gpt2":  # its own dropout would draw other numbers here
        for module in fast.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    for number in range(4):
        batch = sample_batch(number)
        made = fast.step(batch)
        loss = oracle_loss(slow.model, batch)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(weights, 0.05)
        optimiser.param_groups[0]["lr"] = StepRecipe().rate(number, 10)
        optimiser.step()
        optimiser.zero_grad()
        assert made.loss == pytest.approx(loss.item(), rel=1e-5)
        assert made.gradient_norm == pytest.approx(float(norm), rel=1e-4)
    for name, value in parameters(fast).items():
        np.testing.assert_allclose(value, parameters(slow)[name], atol=2e-6, err_msg=name)


def test_the_split_into_micro_batches_changes_nothing() -> None:
    whole, split = trainer(), trainer(batch_tokens=8)
    for number in range(3):
        one, other = whole.step(sample_batch(number)), split.step(sample_batch(number))
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-4)
    for name, value in parameters(whole).items():
        np.testing.assert_allclose(value, parameters(split)[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("batch_tokens", [1000, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_steps_loss_and_gradient_are_the_truth_to_within_rounding(dtype: torch.dtype, batch_tokens: int) -> None:
    batch, spec = sample_batch(), LoraSpec(rank=4, alpha=12.0)
    reach = Reach(tiny_model("llama").to(dtype), HookEngine(LoraGradients(spec), Identity()), batch)
    counts = np.array([example.num_supervised for example in batch])
    weights = counts / counts.sum()
    made = trainer(dtype=dtype, batch_tokens=batch_tokens).step(batch)
    assert abs(made.loss - weights @ reach.exact.losses) < weights @ reach.losses
    whole = np.linalg.norm(weights @ reach.exact.features)
    assert abs(made.gradient_norm - whole) < weights @ reach.features


def test_in_half_precision_the_adapter_and_its_moments_are_float32() -> None:
    """A step of 2e-4 on weights of a tenth is less than half a unit in bfloat16's last place: it would be lost."""
    one = trainer(dtype=torch.bfloat16, weight_decay=0.0)
    for number in range(2):  # A moves once B is no longer zero
        before = {name: value.clone() for name, value in one.state().items()}
        one.step(sample_batch(number))
    after = one.state()
    assert {value.dtype for value in after.values()} == {torch.float32}
    for name in parameters(one):
        moved = (after[name] - before[name]).abs()
        assert bool((moved > 0).float().mean() > 0.9), name
        assert float(moved.max()) < 4e-4


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_restored_trainer_goes_on_bit_for_bit(dropout: float) -> None:
    straight, first = trainer(dropout=dropout), trainer(dropout=dropout)
    for number in range(4):
        straight.step(sample_batch(number))
    for number in range(2):
        first.step(sample_batch(number))
    torch.manual_seed(99)  # whatever the process drew meanwhile
    second = trainer(dropout=dropout)
    second.restore(first.state(), 2)
    for number in range(2, 4):
        second.step(sample_batch(number))
    for name, value in straight.state().items():
        assert torch.equal(value, second.state()[name]), name


def test_dropout_acts_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    plain, dropped = trainer(learning_rate=1e-2), trainer(learning_rate=1e-2, dropout=0.5)
    torch.manual_seed(1)
    losses = []
    for one in (plain, dropped):
        one.step(sample_batch(0))
        losses.append(one.step(sample_batch(0)).loss)
    assert losses[0] != losses[1]
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_no_number_stops_and_changes_nothing() -> None:
    one = trainer()
    one.step(sample_batch(0))
    before = one.state()
    with torch.no_grad():
        head = next(p for name, p in one.model.named_parameters() if "embed" in name)
        kept = head.clone()
        head.fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"step 1 .*last good state"):
        one.step(sample_batch(1))
    assert one.steps == 1
    for name, value in one.state().items():
        assert torch.equal(value, before[name]), name
    with torch.no_grad():
        head.copy_(kept)
    assert math.isfinite(one.step(sample_batch(1)).gradient_norm)


@pytest.mark.parametrize("decay", ["linear", "cosine", "none"])
def test_the_rate_rises_then_falls_and_never_reaches_zero(decay: str) -> None:
    recipe = StepRecipe(learning_rate=1.0, warmup=0.25, decay=decay)
    rates = [recipe.rate(step, 20) for step in range(20)]
    assert rates[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert max(rates) == 1.0
    assert min(rates) > 0
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert (rates[-1] < 0.1) == (decay != "none")
    assert StepRecipe(warmup=0.0, learning_rate=2.0).rate(0, 1) == 2.0
