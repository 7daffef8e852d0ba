"""Every door over every bad model: one guard, one cause, no traceback and no number."""

import functools
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tests.conftest import make_sums
from tests.evaluation.models import write_adapter
from tests.training.trained import Notes

import spice_select
from spice_select.checks.model import check_model
from spice_select.errors import InputError
from spice_select.evaluation.stage import evaluate
from spice_select.features.proxy import find_proxy
from spice_select.models.identify import identify_model
from spice_select.models.recorded import record_of, write_record
from spice_select.run.settings import SelectSettings
from spice_select.testing.tokenizers import tiny_tokenizer
from spice_select.training import train

OPTIONS: dict[str, Any] = {"sketch_dim": 32, "budget": 6, "device": "cpu", "dtype": "float32"}


@dataclass(frozen=True)
class Ground:
    """What the doors are opened from."""

    folder: Path
    corpus: Path
    run: Path
    model: Path
    adapter: Path


@pytest.fixture(scope="module")
def ground(tiny_proxy: Path, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("doors")
    corpus = folder / "rows.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in make_sums(12)), encoding="utf-8")
    run = spice_select.select(corpus, out=folder / "run", model=str(tiny_proxy), **OPTIONS)
    return Ground(folder, corpus, run.path, tiny_proxy, write_adapter(tiny_proxy, folder / "adapter"))


def _settings(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _tensors(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = next(folder.glob("*.safetensors"))
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def _new_tokens(folder: Path) -> None:
    """The rows have the last of them."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<new0>", "<new1>", "What is"])
    tokenizer.save_pretrained(folder)


def _new_padding(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "<padding>"})
    tokenizer.save_pretrained(folder)


def _bias_without_a_place(folder: Path) -> None:
    name = "model.layers.0.mlp.up_proj.bias"
    _tensors(folder, lambda tensors: tensors.update({name: tensors["model.norm.weight"][:1].clone()}))


def _few_positions(folder: Path) -> None:
    """A GPT-2 with positions for fewer tokens than any row has."""
    from transformers import GPT2Config, GPT2LMHeadModel

    for path in (*folder.glob("*.safetensors"), folder / "config.json", folder / "generation_config.json"):
        path.unlink(missing_ok=True)
    ends = {"bos_token_id": 1, "eos_token_id": 4, "pad_token_id": 0}
    config = GPT2Config(vocab_size=384, n_positions=8, n_embd=16, n_layer=1, n_head=2, **ends)
    GPT2LMHeadModel(config).save_pretrained(folder)


def _encoder(folder: Path) -> None:
    """A BERT, whose tokens see what follows."""
    from transformers import BertConfig, BertLMHeadModel

    for path in (*folder.glob("*.safetensors"), folder / "config.json", folder / "generation_config.json"):
        path.unlink(missing_ok=True)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertLMHeadModel(BertConfig(vocab_size=384, **sizes)).save_pretrained(folder)


BAD_MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "tokens without rows": (_new_tokens, r"row \d+ has token 386, and the model knows 384: its tokenizer has"),
    "fewer positions than tokens": (_few_positions, r"beyond 8 the model has no positions.*Give --max-length 8"),
    "an encoder": (_encoder, "BertLMHeadModel is not causal"),
    "padding without a row": (_new_padding, r"the tokenizer's pad token '<padding>' is 384, and the model knows 384"),
    "4 bits": (
        lambda m: _settings(m, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}),
        r"quantised \(bitsandbytes, 4 bit\)",
    ),
    "8 bits, of old": (
        lambda m: _settings(m, quantization_config={"load_in_8bit": True}),
        r"quantised \(bitsandbytes, 8 bit",
    ),
    "gptq": (
        lambda m: _settings(m, quantization_config={"quant_method": "gptq", "bits": 4}),
        r"quantised \(gptq, 4 bit\)",
    ),
    "fp8": (lambda m: _settings(m, quantization_config={"quant_method": "fp8"}), r"quantised \(fp8\)"),
    "a method of tomorrow": (
        lambda m: _settings(m, quantization_config={"quant_method": "q99"}),
        r"quantised \(q99\)",
    ),
    "quantised text model": (
        lambda m: _settings(m, text_config={"quantization_config": {"quant_method": "awq", "bits": 4}}),
        r"quantised \(awq, 4 bit\)",
    ),
    "quantised, says a side file": (
        lambda m: (m / "hf_quant_config.json").write_text("{}"),
        r"quantised, as its hf_quant_config.json says",
    ),
    "a missing weight": (
        lambda m: _tensors(m, lambda t: t.pop("model.layers.1.mlp.up_proj.weight")),
        r"lack 1 of the weights.*up_proj",
    ),
    "a layer too many": (lambda m: _settings(m, num_hidden_layers=1), r"hold 9 weights .* has no place for"),
    "a bias without a place": (_bias_without_a_place, r"hold 1 weights .* no place for .*up_proj\.bias"),
    "another width": (lambda m: _settings(m, intermediate_size=40), r"does not fit 6 of the weights"),
}

DOORS: dict[str, Callable[[Ground, str, Path], Any]] = {
    "select": lambda g, m, out: spice_select.select(g.corpus, model=m, out=out, **OPTIONS),
    "select --warmup-rows": lambda g, m, out: spice_select.select(g.corpus, model=m, out=out, warmup_rows=4, **OPTIONS),
    "select --schedule interleaved": lambda g, m, out: spice_select.select(
        g.corpus, model=m, out=out, schedule="interleaved", pool_size=6, **OPTIONS
    ),
    "check model": lambda g, m, out: check_model(SelectSettings.from_flat({**OPTIONS, "model": m})),
    "transfer": lambda g, m, out: spice_select.transfer(g.run, model=m, sample=8, share=0.5, dtype="float32"),
    "train": lambda g, m, out: train(g.run, model=m, out=out, max_steps=1, device="cpu", dtype="float32"),
    "evaluate": lambda g, m, out: evaluate(m, held_out=g.corpus, out=out, device="cpu", dtype="float32"),
    "evaluate, a base": lambda g, m, out: evaluate(
        g.adapter, held_out=g.corpus, out=out, base=m, device="cpu", dtype="float32"
    ),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("bad", BAD_MODELS)
def test_a_bad_model_is_refused_at_every_door_with_its_cause(
    ground: Ground, tmp_path: Path, bad: str, door: str
) -> None:
    if door == "evaluate, a base" and bad == "tokens without rows":
        pytest.skip("the adapter brings a tokenizer of its own, which is the one that is used")
    if door == "evaluate, a base" and bad == "fewer positions than tokens":
        pytest.skip("the adapter is of another architecture, which is what is said")
    harm, cause = BAD_MODELS[bad]
    model = shutil.copytree(ground.model, tmp_path / "model")
    harm(model)
    with pytest.raises(InputError, match=cause):
        DOORS[door](ground, str(model), tmp_path / "out")


def _adapter_settings(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _of_another_wrapper(tensors: dict[str, Any]) -> None:
    for name in list(tensors):
        tensors[name.replace("model.model.", "model.language_model.model.")] = tensors.pop(name)


BAD_ADAPTERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "names of another wrapper": (lambda a: _tensors(a, _of_another_wrapper), "of its tensors and the model's do not"),
    "half of it": (
        lambda a: _tensors(a, lambda t: [t.pop(n) for n in list(t) if "layers.1" in n]),
        "of its tensors and the model's do not go together",
    ),
    "of more layers": (
        lambda a: _tensors(a, lambda t: [t.update({n.replace("layers.1", "layers.7"): t[n].clone()}) for n in list(t)]),
        "of its tensors and the model's do not go together",
    ),
    "of another rank": (lambda a: _adapter_settings(a, r=5), "does not fit"),
    "of another kind": (lambda a: _adapter_settings(a, peft_type="OFT"), "of the kind OFT"),
    "of a classifier": (lambda a: _adapter_settings(a, task_type="SEQ_CLS"), 'task_type="SEQ_CLS"'),
    "a setting of tomorrow": (lambda a: _adapter_settings(a, use_marvels=True), "use_marvels=true"),
    "a number of tomorrow": (lambda a: _adapter_settings(a, marvel_rate=0.5), r"marvel_rate=0\.5"),
    **{
        name: (functools.partial(_adapter_settings, **{name: value}), name)
        for name, value in {
            "target_parameters": ["mlp.experts.gate_up_proj"],
            "alora_invocation_tokens": [5, 6],
            "layer_replication": [[0, 2], [1, 2]],
            "megatron_config": {"x": 1},
            "arrow_config": {"arrow_top_k": 2},
            "use_qalora": True,
            "use_bdlora": {"nblocks": 2},
            "kasa_config": {"beta": 1},
            "loftq_config": {"loftq_bits": 4},
            "eva_config": {"rho": 2.0},
            "corda_config": {"x": 1},
            "lora_ga_config": {"x": 1},
            "ensure_weight_tying": True,
            "init_lora_weights": "pissa",
        }.items()
    },
}
ONLY_FOR_LOSSES = {
    "use_dora": True,
    "lora_bias": True,
    "bias": "lora_only",
    "modules_to_save": ["embed_tokens"],
    "trainable_token_indices": [3],
}
ADAPTER_DOORS: dict[str, Callable[[Ground, Path, Path], Any]] = {
    "select --adapter": lambda g, a, out: spice_select.select(
        g.corpus, model=str(g.model), adapter=str(a), out=out, **OPTIONS
    ),
    "check model --adapter": lambda g, a, out: check_model(
        SelectSettings.from_flat({**OPTIONS, "model": str(g.model), "adapter": str(a)})
    ),
    "evaluate": lambda g, a, out: evaluate(a, held_out=g.corpus, out=out, device="cpu", dtype="float32"),
}


@pytest.mark.parametrize("door", ADAPTER_DOORS)
@pytest.mark.parametrize("bad", BAD_ADAPTERS)
def test_a_bad_adapter_is_refused_at_every_door_with_its_cause(
    ground: Ground, tmp_path: Path, bad: str, door: str
) -> None:
    harm, cause = BAD_ADAPTERS[bad]
    adapter = shutil.copytree(ground.adapter, tmp_path / "adapter")
    harm(adapter)
    with pytest.raises(InputError, match=cause):
        ADAPTER_DOORS[door](ground, adapter, tmp_path / "out")


@pytest.mark.parametrize("setting", ONLY_FOR_LOSSES)
def test_what_only_a_forward_pass_is_right_for_gives_no_gradients(ground: Ground, tmp_path: Path, setting: str) -> None:
    adapter = shutil.copytree(ground.adapter, tmp_path / "adapter")
    _adapter_settings(adapter, **{setting: ONLY_FOR_LOSSES[setting]})
    with pytest.raises(InputError, match=f"{setting}=.*gradients would not be those of W x"):
        ADAPTER_DOORS["select --adapter"](ground, adapter, tmp_path / "out")


def test_an_adapter_is_refused_by_its_settings_before_rows_are_read(ground: Ground, tmp_path: Path) -> None:
    adapter = shutil.copytree(ground.adapter, tmp_path / "adapter")
    _adapter_settings(adapter, use_dora=True)
    with pytest.raises(InputError, match="use_dora"):
        spice_select.select(tmp_path / "gone.jsonl", model=str(ground.model), adapter=str(adapter), **OPTIONS)


def test_an_adapter_on_another_base_or_with_another_template_says_so(ground: Ground, tmp_path: Path) -> None:
    adapter = shutil.copytree(ground.adapter, tmp_path / "t" / "model")
    write_record(adapter, record_of(identify_model(ground.model), str(ground.model)))
    base = shutil.copytree(ground.model, tmp_path / "base")

    def said(model: Path) -> str:
        progress = Notes()
        find_proxy(SelectSettings.from_flat({"model": str(model), "adapter": str(adapter)}).request, progress)
        return " ".join(progress.said)

    assert said(base) == ""
    _tensors(base, lambda tensors: tensors["model.norm.weight"].mul_(2))
    assert "is not the one it was trained on; its weights changed: SHA-256" in said(base)
    (adapter / "chat_template.jinja").write_text((ground.model / "chat_template.jinja").read_text() + "\n")
    assert "brings a tokenizer with another chat template than its base's" in said(ground.model)
    (adapter / "tokenizer.json").write_text("{")
    assert "its own cannot be used" in said(ground.model)
    with pytest.raises(InputError, match=r"folder of a training, whose adapter is in it: give .*model$"):
        spice_select.select(ground.corpus, model=str(base), adapter=str(tmp_path / "t"), **OPTIONS)


def test_a_runs_own_adapter_on_another_base_says_so(ground: Ground, tmp_path: Path) -> None:
    """A warmed-up LoRA fits every model of its base's shapes."""
    run = spice_select.select(
        ground.corpus, model=str(ground.model), out=tmp_path / "r", budget=2, lora_rank=2, warmup_rows=4
    )
    adapter = shutil.copy(run.path / "gradients" / "warm.safetensors", tmp_path / "mine.safetensors")
    base = shutil.copytree(ground.model, tmp_path / "base")

    def said() -> list[str]:
        progress = Notes()
        find_proxy(SelectSettings.from_flat({"model": str(base), "adapter": str(adapter)}).request, progress)
        return progress.said

    assert said() == []
    _tensors(base, lambda tensors: tensors["model.norm.weight"].mul_(2))
    (note,) = said()
    assert "is not the one it was trained on; its weights changed: SHA-256" in note
    Path(adapter).write_bytes(b"no tensors")
    assert said() == []


def test_an_adapters_own_tokenizer_is_held_against_the_base(ground: Ground, tmp_path: Path) -> None:
    adapter = shutil.copytree(ground.adapter, tmp_path / "adapter")
    for change, cause in ((_new_tokens, "has token 386"), (_new_padding, "pad token '<padding>' is 384")):
        change(adapter)
        with pytest.raises(InputError, match=cause):
            ADAPTER_DOORS["evaluate"](ground, adapter, tmp_path / "out")


def test_a_token_beyond_the_rows_that_nothing_says_is_no_fault(ground: Ground, tmp_path: Path) -> None:
    """Gemma 3's 1B has one for images."""
    model = shutil.copytree(ground.model, tmp_path / "model")
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<image>"])
    tokenizer.save_pretrained(model)
    for number, door in enumerate(("select", "evaluate")):
        DOORS[door](ground, str(model), tmp_path / str(number))
