"""What is said of a model before hours are spent on it: rows it has no positions for, layers not covered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import spice_select as spice
from spice_select.checks.model import check_model
from spice_select.errors import InputError
from spice_select.gradients import HookEngine
from spice_select.run.settings import SelectSettings
from spice_select.testing.tokenizers import tiny_tokenizer

Corpus = Callable[..., Path]
OPTIONS: dict[str, Any] = {"sketch_dim": 32, "batch_tokens": 256, "budget": "25%"}


def saved(config: Any, folder: Path) -> str:
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def short_gpt2(tmp_path: Path) -> str:
    """It has 64 positions; rows of the corpus are longer."""
    from transformers import GPT2Config

    return saved(GPT2Config(vocab_size=384, n_positions=64, n_embd=16, n_layer=1, n_head=2), tmp_path / "gpt2")


@pytest.mark.parametrize(
    "change",
    [{}, {"warmup_rows": 4}, {"schedule": "interleaved", "pool_size": 8}, {"parameters": "last-layer"}],
    ids=str,
)
def test_rows_beyond_the_positions_are_refused_before_anything_is_computed(
    corpus: Corpus, short_gpt2: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change
) -> None:
    path, options = corpus(), {**OPTIONS, "model": short_gpt2, **change}
    with monkeypatch.context() as patch:
        patch.setattr(HookEngine, "features", lambda *a: pytest.fail("a gradient was computed"))
        with pytest.raises(
            InputError, match=r"beyond 64 the model has no positions \(\d+ more of 40 .*--max-length 64"
        ):
            spice.select(path, out=tmp_path / "r", **options)
    run = spice.select(path, out=tmp_path / "r", max_length=64, **options)  # the cure works, in the same folder
    assert run.features.tokens.max() == 64


def test_check_model_says_so_too(corpus: Corpus, short_gpt2: str) -> None:
    with pytest.raises(InputError, match="--max-length 64"):
        check_model(SelectSettings.from_flat({**OPTIONS, "model": short_gpt2}), corpus=str(corpus()))


def test_a_model_that_is_covered_in_part_is_not_called_wrong(tmp_path: Path) -> None:
    """Experts fused into one tensor cannot be captured: that is named, and nothing fails for it."""
    from transformers import MixtralConfig

    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
    heads: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_local_experts": 3}
    model = saved(MixtralConfig(vocab_size=384, **sizes, **heads), tmp_path / "moe")
    report = check_model(SelectSettings.from_flat({**OPTIONS, "model": model}))
    found = {check.name: check for check in report.checks}
    assert [check.name for check in report.checks if check.passed is False] == []
    covered = found["every layer captured"]
    assert covered.passed is None
    assert covered.sentence.startswith("Covers part of the model: ")
    experts = 3 * 24 * 16 * 3  # gate, up and down of three experts
    assert f"3 weight matrices ({experts + 3 * 16:,} weights)" in covered.sentence  # and the router
    assert "experts" in covered.sentence


def test_a_model_that_is_covered_whole_says_so(tiny_proxy: Path) -> None:
    report = check_model(SelectSettings.from_flat({**OPTIONS, "model": str(tiny_proxy)}))
    covered = next(check for check in report.checks if check.name == "every layer captured")
    assert covered.passed is True
    assert "no weight matrix is left out" in covered.sentence


def test_check_model_takes_one_model(spice: Any, short_gpt2: str) -> None:
    code, _, err = spice("check", "model", short_gpt2, "--model", "nonesuch")
    assert code == 2
    assert "one model is checked. Leave one of the two out." in err
    code, _, err = spice("check", "model", "")
    assert code == 2
    assert "model" in err
