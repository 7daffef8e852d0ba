"""A plain LoRA is W x + s·B A x and nothing else is let in for gradients; losses are PEFT's own, whatever it adapts."""

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn import functional

from spice_select.errors import InputError
from spice_select.evaluation.loss import response_losses
from spice_select.gradients import HookEngine
from spice_select.gradients.parameters.lora import LoraGradients
from spice_select.gradients.parameters.weights import FullWeights, LastLayer
from spice_select.models.adapters import put_on
from spice_select.sketch import Identity
from spice_select.testing.engine import sample_example as example
from spice_select.testing.models import tiny_model

ROWS = [example(0, 12, 5), example(1, 3, 1), example(2, 9, 4)]


def adapted(model: nn.Module, **settings: Any) -> Any:
    """With an adapter whose every tensor is drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        found = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", lora_alpha=6, **{"r": 3, **settings}))
        for name, parameter in found.named_parameters():
            if "lora_" in name or "modules_to_save.default" in name or "trainable_tokens_delta" in name:
                parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return found


class Plain(nn.Module):
    """W x + s·B A x, from the definition."""

    def __init__(self, base: nn.Module, a: Tensor, b: Tensor, scale: float) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        self.a, self.b = nn.Parameter(a.double()), nn.Parameter(b.double())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x)
        return y + self.scale * (x @ self.a.T @ self.b.T)


def own_gram(model: nn.Module, found: Any, scale_of: Any) -> np.ndarray:
    """Inner products of the gradients of all A and B, by autograd in float64, each row by itself."""
    bare = copy.deepcopy(model).double()
    plain = []
    for name, module in list(found.base_model.model.named_modules()):
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            a, b = module.lora_A["default"].weight.detach(), module.lora_B["default"].weight.detach()
            layer = Plain(bare.get_submodule(name), a, b, scale_of(name, a.shape[0]))
            bare.set_submodule(name, layer)
            plain.append(layer)
    leaves = [leaf for layer in plain for leaf in (layer.a, layer.b)]
    rows = []
    for row in ROWS:
        ids = torch.as_tensor(row.input_ids.astype(np.int64))[None]
        targets = torch.as_tensor(row.supervised)[1:]
        logits = bare(input_ids=ids, use_cache=False).logits[0, :-1]
        loss = functional.cross_entropy(logits[targets], ids[0, 1:][targets])
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, leaves)]))
    stacked = torch.stack(rows)
    return (stacked @ stacked.T).numpy()


def _usual(name: str, rank: int) -> float:
    return 6 / rank


PLAIN: dict[str, tuple[str, dict[str, Any], Any]] = {
    "plain": ("llama", {"target_modules": ["q_proj", "down_proj"]}, _usual),
    "rslora": ("llama", {"target_modules": ["q_proj"], "use_rslora": True}, lambda name, rank: 6 / math.sqrt(rank)),
    "rank by layer": ("llama", {"target_modules": ["q_proj", "up_proj"], "rank_pattern": {"up_proj": 5}}, _usual),
    "alpha by layer": (
        "llama",
        {"target_modules": ["q_proj", "up_proj"], "alpha_pattern": {"up_proj": 9}},
        lambda name, rank: (9 if "up_proj" in name else 6) / rank,
    ),
    "both, rslora": (
        "qwen2",
        {
            "target_modules": ["q_proj", "up_proj"],
            "rank_pattern": {"up_proj": 5},
            "alpha_pattern": {"q_proj": 2},
            "use_rslora": True,
        },
        lambda name, rank: (2 if "q_proj" in name else 6) / math.sqrt(rank),
    ),
    "some layers": ("llama", {"target_modules": ["q_proj"], "layers_to_transform": [1]}, _usual),
    "some left out": (
        "llama",
        {"target_modules": ["q_proj", "v_proj"], "exclude_modules": r".*layers\.0\.self_attn\.v_proj"},
        _usual,
    ),
    "a pattern": ("llama", {"target_modules": r".*\.(q|up)_proj"}, _usual),
    "stored turned round": ("gpt2", {"target_modules": ["c_attn", "c_fc"], "fan_in_fan_out": True}, _usual),
    "begun otherwise": ("llama", {"target_modules": ["q_proj"], "init_lora_weights": "gaussian"}, _usual),
    "begun orthogonal": ("llama", {"target_modules": ["q_proj"], "r": 4, "init_lora_weights": "orthogonal"}, _usual),
    "dropout, which gradients do not take": ("llama", {"target_modules": ["q_proj"], "lora_dropout": 0.3}, _usual),
}


@pytest.mark.parametrize("case", PLAIN)
def test_what_is_let_in_has_the_gradients_of_its_definition(tmp_path: Path, case: str) -> None:
    architecture, settings, scale_of = PLAIN[case]
    model = tiny_model(architecture)
    adapted(tiny_model(architecture), **settings).save_pretrained(tmp_path)
    found = put_on(tiny_model(architecture), tmp_path, use="gradients")
    due = own_gram(model, found, scale_of)
    features = HookEngine(LoraGradients(), Identity()).features(found, ROWS).features.astype(np.float64)
    np.testing.assert_allclose(features @ features.T, due, rtol=2e-4, atol=1e-5 * np.abs(due).max())


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "DoRA": ({"target_modules": ["q_proj"], "use_dora": True}, "use_dora=true"),
    "biased": ({"target_modules": ["q_proj"], "lora_bias": True}, "lora_bias=true"),
    "biases trained": ({"target_modules": ["q_proj"], "bias": "all"}, 'bias="all"'),
    "a part trained whole": (
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
        r'modules_to_save=\["embed_tokens"\]',
    ),
    "a head trained whole": ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, "modules_to_save"),
    "some tokens": ({"target_modules": ["q_proj"], "trainable_token_indices": [2, 9]}, "trainable_token_indices"),
    "the head": ({"target_modules": ["q_proj", "lm_head"]}, "lm_head: it adapts the output head"),
    "the embedding": ({"target_modules": ["q_proj", "embed_tokens"]}, "embed_tokens: an adapter of the class Embedd"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_others_are_judged_as_peft_runs_them_and_refused_for_gradients(tmp_path: Path, case: str) -> None:
    settings, named = OTHERS[case]
    trained = adapted(tiny_model("qwen2"), **settings)
    trained.save_pretrained(tmp_path)
    whole = PeftModel.from_pretrained(tiny_model("qwen2"), str(tmp_path)).eval()
    due = []
    for row in ROWS:
        ids = torch.as_tensor(row.input_ids.astype(np.int64))[None]
        targets = torch.as_tensor(row.supervised)[1:]
        with torch.no_grad():
            logits = whole(input_ids=ids, use_cache=False).logits[0, :-1]
        due.append(float(functional.cross_entropy(logits[targets], ids[0, 1:][targets], reduction="sum")))
    inner = put_on(tiny_model("qwen2"), tmp_path, use="losses").get_base_model()
    np.testing.assert_allclose(response_losses(inner, ROWS, batch_tokens=64), due, rtol=1e-5)
    assert np.abs(response_losses(tiny_model("qwen2"), ROWS, batch_tokens=64) - due).max() > 1e-3
    with pytest.raises(InputError, match=named):
        put_on(tiny_model("qwen2"), tmp_path, use="gradients")
    if "bias" in settings:
        return  # in memory: W x + b + s·B A x, of which A and B have the gradients they should
    for parameters in (LoraGradients(), LastLayer(), FullWeights()):  # one that someone else put on
        with pytest.raises(InputError):
            HookEngine(parameters, Identity()).features(trained.eval(), ROWS)


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])  # tied head, and a head of its own
@pytest.mark.parametrize("rows", [70, 64, 50])
def test_an_adapter_trained_on_a_resized_vocabulary_brings_its_rows(
    tmp_path: Path, architecture: str, rows: int
) -> None:
    base = tiny_model(architecture)
    base.save_pretrained(tmp_path / "base")
    grown: Any = tiny_model(architecture)
    grown.resize_token_embeddings(rows, mean_resizing=False)
    grown.config._name_or_path = str(tmp_path / "base")
    trained = adapted(grown, target_modules=["q_proj"])
    trained.save_pretrained(tmp_path / "a", save_embedding_layers=True)
    few = [replace(ROWS[0], input_ids=np.append(np.arange(11), rows - 1).astype(np.int32))]
    inner = put_on(tiny_model(architecture), tmp_path / "a", use="losses").get_base_model()
    assert inner.get_input_embeddings().weight.shape[0] == rows
    np.testing.assert_allclose(
        response_losses(inner, few, batch_tokens=64), response_losses(trained, few, batch_tokens=64), rtol=1e-6
    )
    with pytest.raises(InputError, match=f"resized to {rows} rows, and the base has 61"):
        put_on(tiny_model(architecture), tmp_path / "a", use="gradients")


def _with_another(model: Any) -> None:
    model.add_adapter("b", LoraConfig(r=2, target_modules=["q_proj"]))
    model.base_model.set_adapter(["default", "b"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: model.merge_adapter(), "merged weights"),
        (lambda model: model.base_model.disable_adapter_layers(), "switched off"),
        (_with_another, "several active"),
    ],
)
def test_an_adapter_in_memory_in_another_state_is_refused(change: Any, words: str) -> None:
    model = adapted(tiny_model("llama"), target_modules=["q_proj"]).eval()
    change(model)
    with pytest.raises(InputError, match=words):
        HookEngine(LoraGradients(), Identity()).features(model, ROWS)


class Linear4bit(nn.Linear):
    """Named as bitsandbytes' layer: it computes with other weights than those it shows."""


def _replace(model: Any, layer: nn.Module) -> Any:
    model.model.layers[0].mlp.up_proj = layer
    return model


@pytest.mark.parametrize(
    "harm",
    [
        lambda model: _replace(model, Linear4bit(16, 24)),
        lambda model: model.model.layers[0].mlp.up_proj.register_parameter(
            "weight", nn.Parameter(torch.zeros(24, 16, dtype=torch.int8), requires_grad=False)
        ),
        lambda model: model.model.layers[0].mlp.up_proj.to(torch.float8_e4m3fn),
    ],
    ids=["class", "int8", "fp8"],
)
@pytest.mark.parametrize("parameters", [LoraGradients(), FullWeights(), LastLayer()], ids=str)
def test_a_quantised_model_in_memory_is_refused(harm: Any, parameters: Any) -> None:
    model: Any = tiny_model("llama")
    harm(model)
    with pytest.raises(InputError, match=r"it is quantised \(model\.layers\.0\.mlp\.up_proj is a Linear"):
        parameters.captures(model)


def test_weights_that_are_not_there_are_refused() -> None:
    model: Any = tiny_model("llama")
    model.model.layers[0].mlp.up_proj.to("meta")
    with pytest.raises(InputError, match=r"up_proj\.weight holds no values"):
        LoraGradients().captures(model)
