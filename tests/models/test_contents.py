"""What decides a result is in a model's sums, and nothing else is."""

import json
import shutil
from pathlib import Path

import pytest

from spice_select.models.contents import contents
from tests.evaluation.models import write_adapter


@pytest.fixture
def model(tiny_proxy: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_proxy, tmp_path / "model")


CHANGES = {
    "config.json": "files_sha256",
    "tokenizer.json": "files_sha256",
    "tokenizer_config.json": "files_sha256",
    "chat_template.jinja": "files_sha256",
    "special_tokens_map.json": "files_sha256",
    "model.safetensors": "weights_sha256",
    "more.safetensors": "weights_sha256",
    "additional_chat_templates/tool_use.jinja": "files_sha256",
    "modelling.py": "files_sha256",
    "generation_config.json": "generation_sha256",
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_file_that_decides_a_result_changes_one_sum(model: Path, name: str) -> None:
    before = contents(model)
    path = model / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((path.read_bytes() if path.is_file() else b"") + b" ")
    after = contents(model)
    assert [kind for kind in before if before[kind] != after[kind]] == [CHANGES[name]]


def test_what_decides_nothing_changes_nothing(model: Path, tiny_proxy: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tiny_proxy, tmp_path / "adapter")
    for folder in (model, adapter):
        before = contents(folder)
        for name in ("README.md", "trainer_state.json", ".gitattributes"):
            (folder / name).write_text("x")
        assert contents(folder) == before
    before = contents(adapter)
    for name in ("optimizer.pt", "scheduler.pt", "training_args.bin"):
        (adapter / name).write_bytes(b"x")
    assert contents(adapter) == before


@pytest.mark.parametrize("name", ["adapter_config.json", "tokenizer_config.json"])
def test_an_adapters_settings_and_tokenizer_are_a_part_of_it(tiny_proxy: Path, tmp_path: Path, name: str) -> None:
    adapter = write_adapter(tiny_proxy, tmp_path / "adapter")
    before = contents(adapter)
    settings = json.loads((adapter / name).read_text())
    (adapter / name).write_text(json.dumps({**settings, "one_more": 1}))
    after = contents(adapter)
    assert after["weights_sha256"] == before["weights_sha256"]
    assert after["files_sha256"] != before["files_sha256"]
