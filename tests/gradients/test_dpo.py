"""On a LoRA that was trained DPO's gradient is −βσ(−βΔ)·v, Δ against the model without it."""

import copy

import numpy as np
import pytest
import torch

from spice_select.gradients import HookEngine, LoraGradients
from spice_select.gradients.pairs import AnswerMeans, AnswerSums, DampedTails
from spice_select.gradients.pairs.dpo import DpoReference, pair_margins
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.lora import LoraSpec, adapter_weights, adapters_off, attach_lora
from spice_select.sketch import Identity
from spice_select.testing.models import tiny_model
from tests.gradients.pair_cases import dpo_loss, gradients_of_dpo, log_probability, made_pair, pair_batch

SPEC, BETA = LoraSpec(rank=4, alpha=12.0), 0.3


def trained():
    """A model whose LoRA is no longer where it began, and the model without it."""
    base = tiny_model("llama")
    reference = copy.deepcopy(base)
    model = attach_lora(base, SPEC, {layer.name: initial_a(layer, 4, 0) for layer in SPEC.layers(base)})
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in adapter_weights(model).values():
            weight.add_(0.3 * torch.randn_like(weight))
    return model.eval(), reference


def test_features_times_weights_are_dpos_gradient_wherever_the_lora_stands():
    model, reference = trained()
    pairs, held = pair_batch(), DpoReference(AnswerSums(), BETA)
    parameters = LoraGradients(SPEC)
    due = gradients_of_dpo(model, parameters, pairs, loss=lambda m, _, pair, __: dpo_loss(m, reference, pair, BETA))
    found = HookEngine(parameters, Identity(), pairs=AnswerSums()).features(model, pairs)
    scales = held.weights(found.losses, held.margins(model, pairs))
    assert np.ptp(scales) > 0.1, "weights that are all alike prove nothing"
    apart = np.linalg.norm(-BETA / 2 * scales[:, None] * found.features - due, axis=1)
    assert (apart <= 2e-5 * np.linalg.norm(due, axis=1)).all()


@pytest.mark.parametrize("gradient", [AnswerSums(), AnswerMeans(), DampedTails(0.3)], ids=lambda one: one.name)
def test_margins_and_losses_are_those_of_the_definition(gradient):
    model, reference = trained()
    pairs, held = pair_batch(), DpoReference(gradient, BETA)
    there = pair_margins(reference, pairs, gradient).detach().numpy()
    np.testing.assert_allclose(held.margins(model, pairs), there, atol=1e-4)
    moved = pair_margins(model, pairs, gradient)
    due = torch.nn.functional.softplus(-BETA * (moved.detach() - torch.from_numpy(there)))
    np.testing.assert_allclose(held.losses(model, pairs).detach(), due, atol=1e-5)
    if gradient.name == "sum":
        with torch.no_grad():
            plain = [float(log_probability(model, p.chosen) - log_probability(model, p.rejected)) for p in pairs]
            alone = [float(dpo_loss(model, reference, pair, BETA)) for pair in pairs]
        np.testing.assert_allclose(moved.detach(), plain, atol=1e-4)
        np.testing.assert_allclose(held.losses(model, pairs).detach(), alone, atol=1e-5)


def test_a_model_is_left_as_it_was_found():
    model, reference = trained()
    model.train()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    pair = made_pair(0, 5, 0, 3, 4)
    with adapters_off(model), torch.no_grad():
        assert not model.training
        off = log_probability(model, pair.chosen)
    assert float(off) == pytest.approx(float(log_probability(reference, pair.chosen)), abs=1e-5)
    assert model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert float(log_probability(model.eval(), pair.chosen).detach()) != pytest.approx(float(off), abs=1e-3)
