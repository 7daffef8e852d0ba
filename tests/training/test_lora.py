"""Where the LoRA of a training goes: on the layers that are named, on models of which PEFT would adapt others."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel, get_peft_model

import spice_select
from spice_select.data.records import Example
from spice_select.errors import InputError
from spice_select.models.layers import linear_layers
from spice_select.models.lora import lora_modules
from spice_select.testing.tokenizers import tiny_tokenizer
from spice_select.training.lora import lora_config, placing_lora
from spice_select.training.settings import TrainSettings
from tests.gradients.families import tiny_family
from tests.training.trained import QUICK, STEPS, small_run

IDS = torch.arange(1, 9)[None]


def placed(model: torch.nn.Module, **settings) -> torch.nn.Module:
    config = lora_config(model, TrainSettings(**settings).settled(pairs=False))
    with placing_lora(model, sorted(config.target_modules)):
        return get_peft_model(model, config)


@pytest.mark.parametrize("family", ["olmoe", "jamba", "llama4_text", "gpt_bigcode"])
def test_a_lora_sits_on_the_linear_layers_reads_back_and_merges(family: str, tmp_path: Path) -> None:
    """All-linear of PEFT adapts the experts of the first, and fails for the dropout; of the second it adapts what is
    never called, so that merging changes the model; the third it breaks.
    """
    model = tiny_family(family)
    names, bare = {layer.name for layer in linear_layers(model)}, copy.deepcopy(model)
    adapted = placed(model).eval()
    assert set(lora_modules(adapted)) == names
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    expected = adapted(input_ids=IDS).logits
    adapted.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(bare, tmp_path).eval()
    torch.testing.assert_close(again(input_ids=IDS).logits, expected)
    merged = again.merge_and_unload()
    torch.testing.assert_close(merged(input_ids=IDS).logits, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(tiny_family(family)(input_ids=IDS).logits, expected)


@pytest.mark.parametrize("commit", [None, "0f3a"])
def test_an_adapter_names_the_commit_of_a_base_from_the_hub(commit: str | None, tmp_path: Path) -> None:
    model = tiny_family("llama")
    model.config._commit_hash = commit
    placed(model).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["revision"] == commit


def test_layers_that_peft_refuses_are_explained() -> None:
    with pytest.raises(InputError, match=r"out_proj.*--lora-targets, some of: in_proj, out_proj, x_proj"):
        placed(tiny_family("mamba"))
    assert lora_modules(placed(tiny_family("mamba"), lora_targets=("in_proj", "x_proj")))


@pytest.mark.parametrize("dropout", [0.0, 0.05])
def test_names_that_peft_takes_for_others_are_explained(dropout: float) -> None:
    with pytest.raises(InputError, match=r"PEFT (adapts other layers|cannot put a LoRA).*--lora-targets.*gate_proj"):
        placed(tiny_family("deepseek_v2"), lora_dropout=dropout)
    sound = ("q_a_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj")
    assert lora_modules(placed(tiny_family("deepseek_v2"), lora_dropout=dropout, lora_targets=sound))


def test_another_value_error_is_not_taken_for_one_of_peft() -> None:
    with pytest.raises(ValueError, match="mine") as raised, placing_lora(tiny_family("phi"), []):
        raise ValueError("mine")
    assert not isinstance(raised.value, InputError)


def test_a_mixture_of_experts_is_trained_with_the_default_settings(tmp_path: Path, tiny_proxy: Path) -> None:
    from transformers import AutoModelForCausalLM, MixtralConfig

    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = MixtralConfig(vocab_size=384, num_key_value_heads=2, num_local_experts=3, **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "moe")
    tiny_tokenizer().save_pretrained(tmp_path / "moe")
    run = small_run(tmp_path, tiny_proxy)
    done = spice_select.train(run, model=str(tmp_path / "moe"), out=tmp_path / "t", max_steps=2, **STEPS)
    assert done.tokens > 0


def test_the_moments_of_a_real_trainers_checkpoint_are_those_of_its_own_optimizer(
    tmp_path: Path, tiny_proxy: Path
) -> None:
    """The file names no parameters: that the model's order is the right one is seen against the living optimizer."""
    from spice_select.features.warm import load_warm
    from spice_select.models.load import load_model
    from spice_select.models.lora import adapter_weights
    from spice_select.training.trainer import make_trainer, trainer_config

    settings = TrainSettings.from_flat({**QUICK, "checkpoint_steps": 3}).settled(pairs=False)
    loaded = load_model(str(tiny_proxy), device="cpu")
    ids = torch.randint(5, 300, (8, 12), generator=torch.Generator().manual_seed(0)).numpy().astype(np.int32)
    examples = [
        Example(row=n, input_ids=row, supervised=np.arange(12) > 5, source="", content_hash="")
        for n, row in enumerate(ids)
    ]
    config = trainer_config(settings, steps=3, folder=tmp_path, dtype="float32", device="cpu")
    trainer = make_trainer(loaded.model, loaded.tokenizer, examples, settings, config)
    trainer.train()
    bare = load_model(str(tiny_proxy), device="cpu").model
    found = load_warm(tmp_path / "checkpoint-3", bare, moments=True, allow_pickle=True)
    living = {name: trainer.optimizer.state[p] for name, p in adapter_weights(trainer.model).items()}
    assert found.state.steps == 3
    assert found.state.moments.keys() == living.keys()
    for name, moments in found.state.moments.items():
        assert torch.equal(moments.first, living[name]["exp_avg"]), name
        assert torch.equal(moments.second, living[name]["exp_avg_sq"]), name
