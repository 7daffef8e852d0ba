"""What is captured is named, and so is what is not."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from spice_select.errors import InputError
from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.layers import linear_layers
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, SparseJL
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import ARCHITECTURES, tiny_model


def test_fused_experts_are_named_as_uncaptured_and_warned_of():
    model = tiny_model("mixtral")
    coverage = LoraGradients().coverage(model)
    assert any("experts" in name for name in coverage.uncaptured)
    with pytest.warns(UserWarning, match="experts"):
        HookEngine(LoraGradients(), SparseJL(16)).features(model, sample_batch())


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
        HookEngine(LoraGradients(LoraSpec(targets=("q_prj",))), Identity()).features(
            tiny_model("llama"), sample_batch()
        )


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
    HookEngine(parameters, SparseJL(16)).features(model, sample_batch())
    assert norms[0].passes == lower
    assert after.passes == upper


def test_a_layer_that_runs_twice_has_the_gradient_of_both_calls():
    model = tiny_model("llama")
    model.model.layers[1].mlp.up_proj = model.model.layers[0].mlp.up_proj
    _agree(model)


def test_layers_with_tied_weights_have_one_gradient_the_sum_of_both():
    model = tiny_model("llama")
    first, second = (layer.mlp.up_proj for layer in model.model.layers)
    second.weight = first.weight
    names = [block.name for block in FullWeights().coverage(model).blocks]
    assert sum("up_proj" in name for name in names) == 1
    _agree(model)
    _agree(model, FullWeights(last_blocks=1))


@pytest.mark.parametrize("tied", ["weights", "biases", "both", "weights and one bias of three"])
def test_of_tied_layers_each_bias_of_its_own_has_a_gradient_of_its_own(tied):
    model = tiny_model("llama")
    first, second = (layer.mlp.up_proj for layer in model.model.layers)
    third = model.model.layers[1].mlp.gate_proj
    for number, layer in enumerate((first, second, third), 1):
        layer.bias = nn.Parameter(torch.linspace(-number, number, layer.out_features), requires_grad=False)
    if tied != "biases":
        second.weight = third.weight = first.weight
    if tied != "weights":
        second.bias = first.bias
    if tied in ("biases", "both"):
        third.bias = first.bias
    blocks = [block.name for block in FullWeights().coverage(model).blocks]
    assert sum(name.endswith(".bias") for name in blocks) == len({id(each.bias) for each in (first, second, third)})
    assert len(blocks) == len(set(blocks))
    _agree(model)
    _agree(model, FullWeights(last_blocks=1))


def _agree(model, parameters=None):
    parameters = parameters or FullWeights()
    fast = HookEngine(parameters, Identity()).features(model, sample_batch())
    slow = LoopEngine(parameters, Identity()).features(model, sample_batch())
    np.testing.assert_allclose(fast.features, slow.features, rtol=1e-3, atol=2e-5 * np.abs(slow.features).max())


class _Mlp(nn.Module):
    """Takes the place of a model's feed-forward part; calls it in one odd way or another."""

    def __init__(self, inner, way):
        super().__init__()
        self.inner, self.way = inner, way

    def forward(self, x):
        if self.way.startswith("input"):
            x = x.clone()
            y = self.inner.up_proj(x)
            x = x.mul_(0.5) if self.way == "input changed after the call" else x * 0.5
            return self.inner.down_proj(y + self.inner.gate_proj(x))
        if self.way == "output changed":
            y = self.inner.up_proj(x)
            y *= 2
            z = self.inner.gate_proj(x)
            z.view(*z.shape[:-1], -1, 2).mul_(3)
            return self.inner.down_proj(y + z)
        if self.way == "called without gradients":
            with torch.no_grad():
                gate = self.inner.gate_proj(x)
            return self.inner.down_proj(self.inner.up_proj(x) * gate)
        if self.way == "weight read without a call":
            return self.inner.down_proj(self.inner.up_proj(x) + x @ self.inner.gate_proj.weight.T)
        if self.way == "tokens first":
            return self.inner.down_proj(self.inner.up_proj(x.transpose(0, 1)).transpose(0, 1))
        if self.way == "heads apart":
            return self.inner.down_proj(self.inner.up_proj(x[:, None].expand(-1, 3, -1, -1)).sum(1))
        return self.inner.down_proj(x.new_zeros(*x.shape[:-1], self.inner.down_proj.in_features))


WAYS = ["output changed", "called without gradients", "heads apart"]


@pytest.mark.parametrize("parameters", [FullWeights(), LoraGradients(LoraSpec(rank=2))], ids=["weights", "lora"])
@pytest.mark.parametrize("way", WAYS)
def test_odd_uses_of_a_layer_agree_with_the_loop(way, parameters):
    model = tiny_model("qwen2")
    for layer in model.model.layers:
        for name in ("up_proj", "gate_proj"):  # with a bias the output is a view, which loses its hook when changed
            getattr(layer.mlp, name).bias = nn.Parameter(torch.linspace(-1, 1, 24), requires_grad=False)
        layer.mlp = _Mlp(layer.mlp, way)
    assert not any("proj" in name for name in parameters.coverage(model).uncaptured)
    _agree(model, parameters)


def test_an_input_that_is_changed_after_the_call_counts_as_it_was():
    """The loop cannot tell: autograd refuses to differentiate the weight there."""
    found = []
    for way in ("input changed after the call", "input kept"):
        model = tiny_model("qwen2")
        for layer in model.model.layers:
            layer.mlp = _Mlp(layer.mlp, way)
        found.append(HookEngine(FullWeights(), Identity()).features(model, sample_batch()).features)
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("way", "lost"), [("weight read without a call", "gate_proj.weight"), ("tokens first", "up_proj.weight")]
)
def test_a_layer_that_no_hook_can_read_is_named_and_the_others_agree_with_the_loop(way, lost):
    model = tiny_model("qwen2")
    for layer in model.model.layers:
        layer.mlp = _Mlp(layer.mlp, way)
    named = FullWeights().coverage(model).uncaptured
    assert [name.split("inner.")[1] for name in named] == [lost, lost]
    with pytest.warns(UserWarning, match=lost):
        _agree(model)


class _Experts(nn.Module):
    """Experts that are modules of their own, two to a token, each given those that chose it first before the others."""

    def __init__(self, inner, count):
        super().__init__()
        self.router = nn.Linear(16, count, bias=False)
        self.experts = nn.ModuleList(copy.deepcopy(inner) for _ in range(count))
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0, 0.3)
        self.requires_grad_(False)

    def forward(self, hidden):
        flat = hidden.reshape(-1, hidden.shape[-1])
        weights, chosen = self.router(flat).softmax(-1).topk(2, -1)
        out = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            slot, token = torch.where((chosen == number).T)
            if len(token):
                out.index_add_(0, token, expert(flat[token]) * weights[token, slot, None])
        return out.reshape(hidden.shape)


@pytest.mark.parametrize("count", [2, 4, 32])
@pytest.mark.parametrize("seed", [0, 1])
def test_experts_given_tokens_in_an_order_of_their_own_are_named_even_those_no_token_of_the_probe_reaches(count, seed):
    model = tiny_model("llama")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in model.model.layers:
            layer.mlp = _Experts(layer.mlp, count)
    coverage = LoraGradients(LoraSpec(rank=2)).coverage(model)
    assert len([name for name in coverage.uncaptured if "experts" in name]) == 2 * 3 * count
    assert any("router" in block.name for block in coverage.blocks)
    with pytest.warns(UserWarning, match="experts"):
        _agree(model, LoraGradients(LoraSpec(rank=2)))


def test_layers_that_the_loss_does_not_depend_on_are_refused_with_the_flags():
    model = tiny_model("llama")
    model.model.layers[1].mlp.extra = nn.Linear(16, 16)
    with pytest.raises(InputError, match=r"extra.*--lora-targets, --last-blocks"):
        HookEngine(LoraGradients(LoraSpec(targets=("extra",)))).features(model, sample_batch())


def test_a_layer_that_hides_the_rows_after_all_is_refused_with_the_flag():
    model = tiny_model("llama")
    engine = HookEngine(FullWeights(), SparseJL(16))
    engine.dim(model)
    for layer in model.model.layers:
        layer.mlp = _Mlp(layer.mlp, "tokens first")
    with pytest.raises(InputError, match=r"hides which tokens belong to which row.*--lora-targets"):
        engine.features(model, sample_batch())


def test_a_linear_layers_subclass_that_computes_more_is_named():
    class Rounded(nn.Linear):
        def forward(self, x):
            return super().forward(x).mul(4).round().div(4)

    model = tiny_model("llama")
    old = model.model.layers[0].mlp.up_proj
    odd = Rounded(old.in_features, old.out_features, bias=False)
    model.model.layers[0].mlp.up_proj = odd.requires_grad_(False)
    assert FullWeights().coverage(model).uncaptured == ("model.layers.0.mlp.up_proj.weight",)


@pytest.mark.parametrize("parameters", [FullWeights(), LastLayer()], ids=["weights", "last-layer"])
def test_a_model_that_is_not_causal_is_refused(parameters):
    from transformers import AutoModelForCausalLM, BertConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    encoder = AutoModelForCausalLM.from_config(BertConfig(vocab_size=61, **sizes)).eval()
    with pytest.raises(InputError, match="BertLMHeadModel is not causal"):
        HookEngine(parameters, SparseJL(16)).features(encoder, sample_batch())
    decoder = AutoModelForCausalLM.from_config(BertConfig(vocab_size=61, is_decoder=True, **sizes)).eval()
    _agree(decoder, parameters)


def test_asking_how_a_model_behaves_leaves_it_as_it_was():
    model = tiny_model("llama").train()
    model.model.layers[0].eval()
    model.model.norm.weight.requires_grad_(True)
    HookEngine(FullWeights(), SparseJL(16)).parameters.coverage(model)
    assert model.training
    assert not model.model.layers[0].mlp.up_proj.training
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["model.norm.weight"]
    assert not any(module._forward_hooks for module in model.modules())


def test_a_model_without_linear_layers_is_refused():
    model = tiny_model("llama")
    for layer in model.model.layers:
        layer.self_attn, layer.mlp = _Nothing(), nn.Identity()
    with pytest.raises(InputError, match="no linear layer whose gradients can be captured"):
        HookEngine(FullWeights(), SparseJL(16)).features(model, sample_batch())


class _Nothing(nn.Module):
    def forward(self, hidden_states, **others):
        return hidden_states, None


def test_a_model_without_an_output_head_is_refused():
    with pytest.raises(InputError, match="no linear output head"):
        HookEngine().features(tiny_model("llama").model, sample_batch())
