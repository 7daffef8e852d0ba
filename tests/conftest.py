"""A tiny proxy on disk and a small corpus, built in code: no network, no download, a few seconds."""

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)  # a busy machine is slow, and no law is about time
settings.load_profile("no deadline")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--auto-dtype bfloat16`` runs the suite as on a machine where ``--dtype auto`` takes that."""
    parser.addoption("--auto-dtype", choices=["float32", "bfloat16"], default=None, help="what --dtype auto is to be")


@pytest.fixture(autouse=True)
def _page_aside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's page takes longer than a run of 40 rows, and a training's curve longer than its steps: they are for the
    tests of pages (`tests/report`, or ``pages``)."""
    if request.node.get_closest_marker("pages") is None:
        monkeypatch.setattr("spice_select.pipeline._write_page", lambda *_: None)
        if (training := sys.modules.get("spice_select.training.stage")) is not None:  # no test imports it for this
            monkeypatch.setattr(training, "draw_curve", lambda *_, **__: False)


@pytest.fixture(autouse=True, scope="session")
def _auto_dtype(request: pytest.FixtureRequest) -> Iterator[None]:
    """Laws must hold in either precision: those that speak of float32's rounding ask for it by name."""
    forced = request.config.getoption("--auto-dtype")
    if forced is None:
        yield
        return
    from spice_select.models import load, precision

    real = precision.choose_precision

    def chosen(dtype: str, device: Any) -> Any:
        return real(forced if dtype == "auto" else dtype, device)

    with pytest.MonkeyPatch.context() as patch:
        for name, module in [*sys.modules.items()]:
            if name.startswith("spice_select.") and getattr(module, "choose_precision", None) is real:
                patch.setattr(module, "choose_precision", chosen)
        assert load.choose_precision is chosen
        yield


@pytest.fixture(scope="session")
def tiny_proxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a two-layer Llama of width 32 and a byte-level tokenizer with a ChatML template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from spice_select.testing.tokenizers import tiny_tokenizer

    folder = tmp_path_factory.mktemp("tiny-proxy")
    config = LlamaConfig(
        vocab_size=384,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=4,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def make_sums(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows in the `messages` format, with a source, of varied length."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        a, b = draw.randrange(100), draw.randrange(100)
        long = f"Adding {a} and {b} step by step gives {a + b}. " * (1 + a % 3)
        answer = f"{a} + {b} = {a + b}" if number % 3 else long
        messages = [{"role": "user", "content": f"What is {a} + {b}?"}, {"role": "assistant", "content": answer}]
        rows.append({"id": f"r{number}", "source": "math" if number % 2 else "talk", "messages": messages})
    return rows


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Path]:
    """Write rows (or ready lines) as JSON lines and return the path."""

    def write(rows: list[Any] | None = None, name: str = "train.jsonl") -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in (make_sums(40) if rows is None else rows)]
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def sums() -> Callable[..., list[dict[str, Any]]]:
    """Makes rows of additions: `sums(count, seed=0)`."""
    return make_sums


@pytest.fixture
def spice(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run the command; returns exit code, output, errors."""
    from spice_select.cli.main import main

    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run
