"""What is captured is named, and so is what is not."""

import pytest
import torch
from torch import nn

from spice_select.errors import InputError, SpiceError
from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoraGradients
from spice_select.gradients.lora import initial_a
from spice_select.models.layers import linear_layers
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, SparseJL
from spice_select.testing.models import ARCHITECTURES, tiny_model

from .examples import mixed_batch


def test_fused_experts_are_named_as_uncaptured_and_warned_of():
    model = tiny_model("mixtral")
    coverage = LoraGradients().coverage(model)
    assert any("experts" in name for name in coverage.uncaptured)
    with pytest.warns(UserWarning, match="experts"):
        HookEngine(LoraGradients(), SparseJL(16)).features(model, mixed_batch())


def test_fused_experts_are_named_under_a_trained_adapter_too():
    from spice_select.models.lora import attach_lora

    spec, model = LoraSpec(rank=2), tiny_model("mixtral")
    adapted = attach_lora(model, spec, {layer.name: initial_a(layer, 2, 0) for layer in spec.layers(model)})
    assert any("experts" in name for name in LoraGradients().coverage(adapted).uncaptured)
    assert not any("lora" in name for name in LoraGradients().coverage(adapted).uncaptured)


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "mixtral"])
def test_dense_architectures_are_captured_whole(architecture):
    assert LoraGradients().coverage(tiny_model(architecture)).uncaptured == ()


def test_lora_adapts_the_layers_that_pefts_all_linear_adapts():
    from peft import LoraConfig, get_peft_model

    from spice_select.models.lora import lora_modules

    ours = [layer.name for layer in linear_layers(tiny_model("llama"))]
    theirs = get_peft_model(tiny_model("llama"), LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM"))
    assert ours == list(lora_modules(theirs))


def test_the_initial_a_has_pefts_distribution_and_depends_on_seed_and_name():
    layer, other = linear_layers(tiny_model("llama"))[:2]
    a = initial_a(layer, 512, 0)
    bound = layer.d_in**-0.5
    assert a.abs().max() < bound
    assert abs(a.std().item() - bound / 3**0.5) < 0.02 * bound
    assert torch.equal(a, initial_a(layer, 512, 0))
    assert not torch.equal(a, initial_a(layer, 512, 1))
    assert not torch.equal(initial_a(layer, 4, 0), initial_a(other, 4, 0))


def test_targets_select_by_whole_name_or_last_parts():
    model = tiny_model("llama")
    names = [layer.name for layer in linear_layers(model, ["self_attn.q_proj", "model.layers.1.mlp.up_proj"])]
    assert names == ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "model.layers.1.mlp.up_proj"]


def test_a_target_that_selects_nothing_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"'q_prj'.*down_proj.*Did you mean 'q_proj'"):
        HookEngine(LoraGradients(LoraSpec(targets=("q_prj",))), Identity()).features(tiny_model("llama"), mixed_batch())


def test_last_blocks_are_the_last_and_their_number_is_checked():
    blocks = FullWeights(last_blocks=1).coverage(tiny_model("gpt_neox")).blocks
    assert all(".layers.1." in block.name for block in blocks)
    with pytest.raises(InputError, match="the model has 2"):
        FullWeights(last_blocks=3).coverage(tiny_model("llama"))


class _Counting(nn.Module):
    """Counts the backward passes that go through it."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.passes = inner, 0

    def forward(self, x, *args, **kwargs):
        x = self.inner(x, *args, **kwargs)
        if x.requires_grad:
            x.register_hook(self._count)
        return x

    def _count(self, gradient):
        self.passes += 1


@pytest.mark.parametrize(
    ("parameters", "lower", "upper"), [(FullWeights(last_blocks=1), 0, 1), (LastLayer(), 0, 0), (LoraGradients(), 0, 1)]
)
def test_the_backward_pass_stops_below_the_lowest_captured_layer(parameters, lower, upper):
    model = tiny_model("llama")
    norms = [_Counting(layer.input_layernorm) for layer in model.model.layers]
    for layer, norm in zip(model.model.layers, norms, strict=True):
        layer.input_layernorm = norm
    after = _Counting(model.model.layers[1].post_attention_layernorm)
    model.model.layers[1].post_attention_layernorm = after
    HookEngine(parameters, SparseJL(16)).features(model, mixed_batch())
    assert norms[0].passes == lower
    assert after.passes == upper


def test_a_layer_that_runs_twice_is_refused_by_name():
    model = tiny_model("llama")
    model.model.layers[1].mlp.up_proj = model.model.layers[0].mlp.up_proj
    with pytest.raises(SpiceError, match=r"layers\.0\.mlp\.up_proj runs twice"):
        HookEngine(LoraGradients(), SparseJL(16)).features(model, mixed_batch())


def test_a_model_without_an_output_head_is_refused():
    with pytest.raises(InputError, match="no linear output head"):
        HookEngine().features(tiny_model("llama").model, mixed_batch())
