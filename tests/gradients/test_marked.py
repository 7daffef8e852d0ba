"""The feature of a marked answer is KTO's gradient at its reference: β/4 times that of a sum, turned round if bad."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spice_select.features.gradients import as_block
from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients, TokenSum
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, Kronecker
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import tiny_model
from tests.gradients.pair_cases import gradients_of_dpo, log_probability

BETA = 0.1
PARAMETERS = {
    "dense": FullWeights(),
    "lora": LoraGradients(LoraSpec(rank=4, alpha=12.0)),
    "last-layer": LastLayer(),
}


def marked_batch():
    return [replace(example, label=place % 2 == 0) for place, example in enumerate(sample_batch())]


def kto_loss(model, reference, example, beta):
    """Equation 7 of Ethayarajh et al. 2024, the divergence of a model from itself being 0."""
    with torch.no_grad():
        held = log_probability(reference, example)
    gain = beta * (log_probability(model, example) - held)
    return 1 - torch.sigmoid(gain if example.label else -gain)


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
def test_features_are_ktos_gradient_at_its_reference(parameters):
    model, batch = tiny_model("llama"), marked_batch()
    due = gradients_of_dpo(model, parameters, batch, BETA, loss=kto_loss)
    found = HookEngine(parameters, Identity(), TokenSum()).features(model, batch)
    lengths = np.linalg.norm(due, axis=1)
    assert (np.linalg.norm(BETA / 4 * found.features - due, axis=1) <= 1e-5 * lengths).all()
    np.testing.assert_allclose(found.norms, lengths * 4 / BETA, rtol=1e-5)


@pytest.mark.parametrize("engine", [HookEngine, LoopEngine])
def test_a_mark_turns_the_gradient_and_nothing_else(engine):
    model, plain = tiny_model("llama"), sample_batch()
    own = engine(sketch=Kronecker(64, side=4), loss=TokenSum())
    there, found = own.features(model, plain), own.features(model, marked_batch())
    signs = np.array([1, -1, 1, -1, 1])[:, None]
    np.testing.assert_allclose(found.features, signs * there.features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.losses, there.losses, rtol=1e-6)
    np.testing.assert_allclose(found.norms, there.norms, rtol=1e-6)
    assert (as_block(plain, found)["loss"] > 0).all()
