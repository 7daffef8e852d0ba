"""The fast engine equals the loop, for every architecture, choice of parameters and loss."""

import numpy as np
import pytest
import torch

from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients, TokenMean, TokenSum
from spice_select.gradients.parameters.weights import factor_squares
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.sketch import Identity, Kronecker, SparseJL
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import ARCHITECTURES, tiny_model

RELATIVE = 2e-5
"""Largest difference over the largest entry; float32 rounding of two different orders of summation."""
SMALL = LoraSpec(rank=4, alpha=12.0)
PARAMETERS = {
    "lora": LoraGradients(SMALL),
    "weights": FullWeights(),
    "last-block": FullWeights(last_blocks=1),
    "last-layer": LastLayer(),
}
pytestmark = pytest.mark.filterwarnings("ignore:.*weight matrices of Mixtral")


def assert_same(fast, slow):
    scale = np.abs(slow.features).max(axis=1, keepdims=True)
    assert (scale > 0).all(), "an oracle of zeros proves nothing"
    np.testing.assert_array_less(np.abs(fast.features - slow.features) / scale, RELATIVE)
    np.testing.assert_allclose(fast.losses, slow.losses, rtol=1e-5)
    np.testing.assert_allclose(fast.norms, slow.norms, rtol=1e-5)


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_hooks_equal_the_loop(architecture, parameters):
    model, batch = tiny_model(architecture), sample_batch()
    slow = LoopEngine(parameters, Identity()).features(model, batch)
    assert_same(HookEngine(parameters, Identity()).features(model, batch), slow)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "phi3"])
def test_hooks_equal_the_loop_on_a_warm_adapter_where_both_halves_speak(architecture):
    model = warm(architecture)
    fast = HookEngine(LoraGradients(), Identity()).features(model, sample_batch())
    slow = LoopEngine(LoraGradients(), Identity()).features(model, sample_batch())
    assert_same(fast, slow)
    coverage = LoraGradients().coverage(model)
    assert {block.name.rsplit(".", 1)[1] for block in coverage.blocks} == {"lora_A", "lora_B"}


@pytest.mark.parametrize("loss", [TokenMean(), TokenSum()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("sketch", [SparseJL(64), Kronecker(64, side=4)], ids=lambda sketch: sketch.name)
@pytest.mark.parametrize("parameters", [PARAMETERS["lora"], PARAMETERS["weights"]], ids=["lora", "weights"])
def test_hooks_equal_the_loop_under_every_sketch_and_loss(parameters, sketch, loss):
    model = tiny_model("qwen2")
    slow = LoopEngine(parameters, sketch, loss).features(model, sample_batch())
    assert_same(HookEngine(parameters, sketch, loss).features(model, sample_batch()), slow)


def test_token_sum_is_token_mean_times_the_number_of_supervised_tokens():
    model, batch = tiny_model("llama"), sample_batch()
    counts = np.array([e.num_supervised for e in batch])
    mean = HookEngine(PARAMETERS["lora"], Identity(), TokenMean()).features(model, batch)
    total = HookEngine(PARAMETERS["lora"], Identity(), TokenSum()).features(model, batch)
    np.testing.assert_allclose(total.losses, mean.losses * counts, rtol=1e-6)
    np.testing.assert_allclose(total.features, mean.features * counts[:, None], rtol=1e-4, atol=1e-5)


def test_norms_are_those_of_the_unsketched_gradient():
    model, batch = tiny_model("qwen3"), sample_batch()
    exact = HookEngine(PARAMETERS["lora"], Identity()).features(model, batch)
    sketched = HookEngine(PARAMETERS["lora"], SparseJL(8)).features(model, batch)
    np.testing.assert_allclose(sketched.norms, np.linalg.norm(exact.features, axis=1), rtol=1e-5)


@pytest.mark.parametrize("tokens", [2, 40], ids=["ghost", "formed"])
def test_the_norm_of_a_product_follows_from_its_factors_either_way(tokens):
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(3, tokens, side, generator=generator) for side in (12, 9))
    expected = (left.transpose(1, 2) @ right).square().sum((1, 2))
    torch.testing.assert_close(factor_squares(left, right).float(), expected)


def test_a_fresh_adapters_gradient_is_the_full_gradient_seen_through_a():
    """dB = (α/r)·dW·Aᵀ: the fact that lets a static selection leave the A half out."""
    from spice_select.gradients.parameters.lora import initial_a
    from spice_select.models.layers import linear_layers

    model, batch = tiny_model("llama"), sample_batch()
    lora = HookEngine(LoraGradients(SMALL, seed=3), Identity()).features(model, batch)
    full = HookEngine(FullWeights(), Identity()).features(model, batch)
    expected, start = [], 0
    for layer in linear_layers(model):
        stop = start + layer.d_out * layer.d_in
        weight = full.features[:, start:stop].reshape(-1, layer.d_out, layer.d_in)
        expected.append((SMALL.scale * weight @ initial_a(layer, 4, 3).numpy().T).reshape(len(batch), -1))
        start = stop
    np.testing.assert_allclose(lora.features, np.concatenate(expected, axis=1), rtol=1e-3, atol=1e-4)


def test_the_a_half_of_a_fresh_adapter_is_exactly_zero():
    model = attached(tiny_model("llama"))
    engine = HookEngine(LoraGradients(), Identity())
    features, start = engine.features(model, sample_batch()).features, 0
    for block in LoraGradients().coverage(model).blocks:
        half = features[:, start : start + block.size]
        assert np.any(half) == block.name.endswith("lora_B")
        start += block.size


def attached(model):
    from spice_select.gradients.parameters.lora import initial_a

    return attach_lora(model, SMALL, {layer.name: initial_a(layer, 4, 0) for layer in SMALL.layers(model)})


def warm(architecture):
    model = attached(tiny_model(architecture))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()
