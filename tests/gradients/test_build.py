"""Settings become the engine they describe, and combinations that make no sense are refused in words."""

import numpy as np
import pytest

from spice_select.errors import InputError
from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients
from spice_select.gradients.build import check_affordable, make_engine, make_parameters, make_sketch
from spice_select.gradients.fidelity import exact_gradients, exact_gram, inner_products
from spice_select.gradients.settings import GradientSettings
from spice_select.models.layers import linear_layers
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, Kronecker, Rademacher, SparseJL
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import tiny_model


def settings(**changes):
    """Small ones, where what is chosen reads them."""
    small = {"sketch_dim": 64} if changes.get("sketch") != "identity" else {}
    small |= {"lora_rank": 4} if changes.get("parameters", "lora") == "lora" else {}
    return GradientSettings(**{**small, **changes})


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({}, LoraGradients(LoraSpec(rank=4), seed=3)),
        ({"last_blocks": 1}, LoraGradients(LoraSpec(rank=4, last_blocks=1), seed=3)),
        ({"parameters": "full"}, FullWeights()),
        ({"parameters": "full", "last_blocks": 2}, FullWeights(last_blocks=2)),
        ({"parameters": "last-layer"}, LastLayer()),
    ],
)
def test_the_settings_name_the_parameters(changes, parameters):
    assert make_parameters(settings(**changes), seed=3) == parameters


@pytest.mark.parametrize(
    ("changes", "sketch"),
    [
        ({}, SparseJL(64, seed=3)),
        ({"sketch": "rademacher"}, Rademacher(64, seed=3)),
        ({"sketch": "kronecker"}, Kronecker(64, side=32, seed=3)),
        ({"sketch": "kronecker", "sketch_side": 8}, Kronecker(64, side=8, seed=3)),
        ({"sketch": "identity"}, Identity()),
    ],
)
def test_the_settings_name_the_sketch(changes, sketch):
    assert make_sketch(settings(**changes), seed=3) == sketch


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": "last-layer", "last_blocks": 2}, ["--last-blocks 2", "Leave one"]),
        ({"parameters": "full", "lora_targets": ("q_proj",)}, ["--lora-targets q_proj", "--parameters lora"]),
        ({"parameters": "full", "sketch": "rademacher"}, ["--sketch rademacher", "kronecker"]),
        (
            {"parameters": "last-layer", "last_blocks": 2, "lora_targets": ("q_proj",)},
            ["--last-blocks 2", "--lora-targets q_proj"],
        ),
        ({"sketch_side": 8}, ["--sketch-side 8", "--sketch kronecker reads it"]),
        ({"sketch": "identity", "sketch_dim": 8}, ["--sketch-dim 8", "--sketch identity"]),
        ({"parameters": "full", "lora_rank": 2}, ["--lora-rank", "has no LoRA"]),
        ({"adapter": "there", "lora_alpha": 2.0}, ["--lora-alpha", "brings its own"]),
    ],
)
def test_combinations_without_sense_are_refused_all_at_once(changes, words):
    with pytest.raises(InputError) as caught:
        settings(**changes)
    assert all(word in str(caught.value) for word in words)


def test_a_block_too_many_is_refused():
    with pytest.raises(InputError, match="the model has 2"):
        make_engine(settings(last_blocks=3), 0).features(tiny_model("llama"), sample_batch())


@pytest.mark.parametrize(
    "changes",
    [
        {"last_blocks": 1},
        {"parameters": "full", "last_blocks": 1, "sketch": "kronecker", "sketch_side": 4},
        {"parameters": "last-layer", "sketch": "kronecker", "sketch_side": 4},
    ],
)
def test_the_engine_of_the_settings_equals_the_loop(changes):
    model, engine = tiny_model("qwen2"), make_engine(settings(**changes), 1)
    slow = LoopEngine(engine.parameters, engine.sketch, engine.loss).features(model, sample_batch())
    fast = engine.features(model, sample_batch())
    scale = np.abs(slow.features).max(axis=1, keepdims=True)
    assert (scale > 0).all()
    np.testing.assert_array_less(np.abs(fast.features - slow.features) / scale, 2e-5)


def test_the_last_blocks_of_a_lora_are_those_of_the_model():
    blocks = make_parameters(settings(last_blocks=1), 0).coverage(tiny_model("llama")).blocks
    assert blocks
    assert all(".layers.1." in block.name for block in blocks)


@pytest.mark.parametrize("parameters", ["lora", "full"])
def test_the_backward_pass_stops_below_the_last_blocks(parameters):
    """A hook that fires when a gradient reaches the output of a layer of the first block."""
    model, reached = tiny_model("llama"), []
    for layer in linear_layers(model):

        def watch(module, args, output, name=layer.name):
            if output.requires_grad:
                output.register_hook(lambda gradient: reached.append(name))

        layer.module.register_forward_hook(watch)
    make_engine(settings(parameters=parameters, last_blocks=1), 0).features(model, sample_batch())
    assert reached
    assert all(".layers.1." in name for name in reached)


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"sketch": "identity"}, "identity"),
        ({"sketch": "rademacher"}, "rademacher"),
        ({"parameters": "full"}, "sparse_jl"),
    ],
)
def test_a_sketch_that_nobody_could_wait_for_is_refused(changes, limit, monkeypatch):
    engine, model = make_engine(settings(**changes), 0), tiny_model("llama")
    check_affordable(engine, model)
    monkeypatch.setattr(f"spice_select.sketch.{limit}._LIMIT", 100)
    with pytest.raises(InputError, match="kronecker"):
        check_affordable(engine, model)


@pytest.mark.parametrize("parameters", [LoraGradients(LoraSpec(rank=4)), FullWeights(), LastLayer()])
def test_the_gram_of_one_batch_is_that_of_the_whole_gradients(parameters, monkeypatch):
    monkeypatch.setattr("spice_select.gradients.fidelity._GRAM_ELEMENTS", 500)
    engine, model = HookEngine(parameters), tiny_model("gpt2")
    expected = inner_products(exact_gradients(engine, model, sample_batch()))
    found = exact_gram(engine, model, sample_batch())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
