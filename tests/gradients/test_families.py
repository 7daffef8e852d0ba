"""Families beside those we ship: the fast engine equals the loop, and whatever it cannot capture is named."""

import numpy as np
import pytest
import torch
from torch import nn

from spice_select.errors import InputError
from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.layers import output_head
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.sketch import Identity, Kronecker
from spice_select.testing.engine import sample_batch, sample_example

from .families import FAMILIES, tiny_family

SMALL = LoraSpec(rank=2, alpha=6.0)
CHOICES = {
    "lora": (LoraGradients(SMALL), Identity()),
    "weights": (FullWeights(), Identity()),
    "kronecker": (FullWeights(), Kronecker(64, side=4)),
    "last-block": (FullWeights(last_blocks=1), Identity()),
    "last-layer": (LastLayer(), Identity()),
}
BATCH = [sample_example(0, 9, 4), sample_example(1, 3, 1), sample_example(2, 14, 6)]


def differ(left, right):
    scale = np.abs(right.features).max(axis=1, keepdims=True)
    assert (scale > 0).all(), "an oracle of zeros proves nothing"
    np.testing.assert_allclose(left.losses, right.losses, rtol=5e-5)
    np.testing.assert_allclose(left.norms, right.norms, rtol=5e-5)
    return (np.abs(left.features - right.features) / scale).max()


@pytest.mark.filterwarnings("ignore:.*weight matrices of", "ignore:.*is unused", "ignore:.*fast path")
@pytest.mark.parametrize("family", FAMILIES)
def test_hooks_equal_the_loop_and_company_changes_nothing(family):
    model, errors = tiny_family(family), {}
    for name, (parameters, sketch) in CHOICES.items():
        fast = HookEngine(parameters, sketch).features(model, BATCH)
        errors[name] = differ(fast, LoopEngine(parameters, sketch).features(model, BATCH))
    engine = HookEngine(*CHOICES["weights"])
    together = engine.features(model, BATCH)
    errors["alone"] = max(
        differ(engine.features(model, [one]), type(together)(**_row(together, i))) for i, one in enumerate(BATCH)
    )
    warm = _warm(model)
    fast = HookEngine(LoraGradients(), Identity()).features(warm, BATCH)
    errors["warm"] = differ(fast, LoopEngine(LoraGradients(), Identity()).features(warm, BATCH))
    assert {name: error for name, error in errors.items() if error > 5e-5} == {}


def _row(gradients, row):
    return {name: getattr(gradients, name)[row : row + 1] for name in ("features", "losses", "norms")}


def _warm(model):
    adapted = attach_lora(model, SMALL, {layer.name: initial_a(layer, 2, 0) for layer in SMALL.layers(model)})
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return adapted.eval()


@pytest.mark.filterwarnings("ignore:.*fast path")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_matrix_that_a_loss_depends_on_is_captured_or_named(family):
    model = tiny_family(family)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    coverage = FullWeights().coverage(model)
    known = {id(parameters[name]) for name in (*(block.name for block in coverage.blocks), *coverage.uncaptured)}
    known |= {id(p) for p in output_head(model).module.parameters()}
    known |= {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    model.requires_grad_(True)
    model(input_ids=torch.arange(1, 21)[None], use_cache=False).logits.logsumexp(2).sum().backward()
    live = [name for name, p in parameters.items() if p.ndim >= 2 and p.grad is not None and p.grad.any()]
    assert live
    assert [name for name in live if id(parameters[name]) not in known] == []


@pytest.mark.parametrize(
    ("family", "layer"),
    [("mamba", "dt_proj.weight"), ("llama4_text", "router.weight"), ("gpt_oss", "experts.gate_up_proj")],
)
def test_a_weight_read_without_a_call_a_router_and_fused_experts_are_named_in_a_warning(family, layer):
    model = tiny_family(family)
    assert any(name.endswith(layer) for name in FullWeights().coverage(model).uncaptured)
    with pytest.warns(UserWarning, match="left out of the features"):
        HookEngine(FullWeights(), Identity()).features(model, sample_batch())


@pytest.mark.parametrize("family", ["deepseek_v3", "mamba"])
def test_lora_adapts_the_named_layers_also_where_peft_has_rules_for_the_type(family):
    model = tiny_family(family)
    kind, asked = model.config.model_type, [layer.name for layer in SMALL.layers(model)]
    adapted = attach_lora(model, SMALL, {layer.name: initial_a(layer, 2, 0) for layer in SMALL.layers(model)})
    trained = {name.split(".lora_")[0] for name, p in adapted.named_parameters() if p.requires_grad}
    assert trained == {f"base_model.model.{name}" for name in asked}
    assert model.config.model_type == kind


def test_towers_that_no_text_reaches_are_left_out_and_last_blocks_are_those_of_the_text_model():
    from transformers import AutoModelForCausalLM, Gemma3Config

    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 4}
    config = Gemma3Config(
        text_config={**sizes, "vocab_size": 61, "num_hidden_layers": 2, "num_key_value_heads": 2, "head_dim": 4},
        vision_config={**sizes, "num_hidden_layers": 4, "image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
        image_token_index=60,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    coverage = FullWeights(last_blocks=1).coverage(model)
    assert coverage.uncaptured == ()
    assert all(".language_model.layers.1." in block.name for block in coverage.blocks)
    assert not any("vision" in block.name for block in FullWeights().coverage(model).blocks)
    fast = HookEngine(FullWeights(last_blocks=1), Identity()).features(model, BATCH)
    slow = LoopEngine(FullWeights(last_blocks=1), Identity()).features(model, BATCH)
    assert differ(fast, slow) < 5e-5


LONG = {
    "gpt2": dict.fromkeys(("n_positions", "max_position_embeddings"), 12),
    "opt": {"max_position_embeddings": 12},
    "gptj": dict.fromkeys(("n_positions", "max_position_embeddings"), 12),
    "llama": {"max_position_embeddings": 12, "rope_parameters": {"rope_type": "dynamic", "factor": 4.0}},
    "phi3": {
        "original_max_position_embeddings": 12,
        "rope_parameters": {"rope_type": "longrope", "short_factor": [1.0, 1.0], "long_factor": [4.0, 8.0]},
    },
}


@pytest.mark.parametrize("family", LONG)
def test_rows_without_positions_or_with_positions_that_depend_on_the_batch_are_refused(family):
    settings = {**LONG[family]}
    if "rope_parameters" in settings:
        settings["rope_parameters"] |= {"rope_theta": 10_000.0, "original_max_position_embeddings": 12}
    model = tiny_family(family, **settings)
    engine, short = HookEngine(FullWeights(), Identity()), [sample_example(0, 9, 4), sample_example(1, 12, 3)]
    slow = LoopEngine(FullWeights(), Identity()).features(model, short)
    assert differ(engine.features(model, short), slow) < 5e-5
    with pytest.raises(InputError, match=r"row 2 has 13 tokens: beyond 12 .*Give --max-length 12"):
        engine.features(model, [*short, sample_example(2, 13, 4)])
