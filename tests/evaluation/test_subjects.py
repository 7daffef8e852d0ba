"""What a name means: a model, an adapter, a trained folder; and what is wrong with the others."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select
from spice_select.errors import InputError
from spice_select.evaluation import subjects
from spice_select.evaluation.loss import response_losses
from spice_select.evaluation.settings import ModelSettings
from spice_select.evaluation.subjects import find_subject, open_subject, open_tokenizer
from tests.evaluation.models import write_adapter, write_merged
from tests.evaluation.test_loss import examples

SETTINGS = ModelSettings(dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def adapter(tiny_proxy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tiny_proxy, tmp_path_factory.mktemp("adapter"))


def losses(name: Path, settings: ModelSettings = SETTINGS) -> np.ndarray:
    return response_losses(
        open_subject(find_subject(str(name), settings), settings).model, examples(6), batch_tokens=99
    )


def test_an_adapter_and_the_model_it_was_merged_into_say_the_same(
    tiny_proxy: Path, adapter: Path, tmp_path: Path
) -> None:
    merged = write_merged(tiny_proxy, adapter, tmp_path / "merged")
    np.testing.assert_allclose(losses(adapter), losses(merged), rtol=1e-5)
    assert np.abs(losses(adapter) - losses(tiny_proxy)).max() > 1e-3


def test_a_trained_folder_is_entered(adapter: Path, tmp_path: Path) -> None:
    shutil.copytree(adapter, tmp_path / "trained" / "adapter")
    shutil.copytree(adapter, tmp_path / "trained" / "checkpoint-3")
    found = find_subject(str(tmp_path / "trained"), SETTINGS)
    assert found.kind == "adapter"
    assert found.adapter == tmp_path / "trained" / "adapter"
    assert found.identity == find_subject(str(adapter), SETTINGS).identity


def test_a_training_is_known_by_its_model_whatever_else_lies_there(adapter: Path, tmp_path: Path) -> None:
    for name in ("model", "last-good"):
        shutil.copytree(adapter, tmp_path / "trained" / name)
    assert find_subject(str(tmp_path / "trained"), SETTINGS).adapter == tmp_path / "trained" / "model"


@pytest.mark.parametrize(
    ("base", "given", "revision"),
    [("owner/name", None, "abc"), ("owner/name", "owner/name", None), ("LOCAL", None, None)],
    ids=["as the adapter says", "as given", "of a folder there are none"],
)
def test_an_adapter_says_which_revision_of_its_base_it_belongs_to(
    adapter: Path, tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base, given, revision
) -> None:
    moved = Path(shutil.copytree(adapter, tmp_path / "adapter"))
    config = json.loads((moved / "adapter_config.json").read_text())
    base = str(tiny_proxy) if base == "LOCAL" else base
    (moved / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": base, "revision": "abc"})
    )
    known, asked = subjects.identify_model(tiny_proxy), dict[str, Any]()

    def identify(name: str, **how: Any) -> Any:
        asked.update(how, name=name)
        return known

    monkeypatch.setattr(subjects, "identify_model", identify)
    settings = SETTINGS.model_copy(update={"base": given})
    found = find_subject(str(moved), settings)
    assert (asked["name"], asked["revision"], found.revision) == (base, revision, revision)
    assert found.access(settings)["revision"] == revision


def test_the_identity_follows_the_content_not_the_place(tiny_proxy: Path, adapter: Path, tmp_path: Path) -> None:
    other = write_adapter(tiny_proxy, tmp_path / "other", seed=1)
    one, two = find_subject(str(adapter), SETTINGS), find_subject(str(other), SETTINGS)
    assert one.identity["base_weights_sha256"] == two.identity["base_weights_sha256"]
    assert one.identity["adapter_weights_sha256"] != two.identity["adapter_weights_sha256"]


def test_the_base_can_be_given(tiny_proxy: Path, adapter: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(adapter, moved)
    config = json.loads((moved / "adapter_config.json").read_text())
    (moved / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "/gone/base"}))
    with pytest.raises(InputError, match=r"its base '/gone/base' cannot be used.*--base"):
        find_subject(str(moved), SETTINGS)
    given = ModelSettings(base=str(tiny_proxy), dtype="float32")
    np.testing.assert_allclose(losses(moved, given), losses(adapter))


def test_an_adapter_of_another_model_is_refused(adapter: Path, tmp_path: Path, tiny_proxy: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    wide = tmp_path / "wide"
    LlamaForCausalLM(LlamaConfig.from_pretrained(tiny_proxy, hidden_size=64, head_dim=16)).save_pretrained(wide)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_proxy / name, wide / name)
    settings = ModelSettings(base=str(wide), dtype="float32")
    with pytest.raises(InputError, match="does not fit its base"):
        open_subject(find_subject(str(adapter), settings), settings)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"selected.jsonl": "", "identity.json": "{}"}, "chose rows and trained no target"),
        ({"selected.jsonl": "", "proxy/adapter/adapter_config.json": "{}"}, r"it moved while it selected is .*adapter"),
        ({"identity.json": '{"kind": "training"}'}, "training is unfinished"),
        ({"identity.json": '{"kind": "comparison"}'}, "folder of a comparison, which is no model"),
        ({"identity.json": "{}"}, "folder of a selection, which is no model"),
        ({"notes.txt": ""}, "no model and no adapter in it"),
        ({"a/config.json": "{}", "b/config.json": "{}"}, r"several models \(a, b\)"),
        ({"adapter_config.json": "{}"}, "names no base model"),
        ({"adapter_config.json": "["}, "not a PEFT configuration"),
    ],
)
def test_folders_that_hold_no_model_say_what_they_are(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        find_subject(str(tmp_path), SETTINGS)


def test_a_pickled_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    shutil.copytree(adapter, tmp_path / "pickled")
    (tmp_path / "pickled" / "adapter_model.safetensors").rename(tmp_path / "pickled" / "adapter_model.bin")
    with pytest.raises(InputError, match="Pickled adapters are not read"):
        find_subject(str(tmp_path / "pickled"), SETTINGS)


def test_an_adapters_own_tokenizer_that_cannot_be_read_is_explained(adapter: Path, tmp_path: Path) -> None:
    shutil.copytree(adapter, tmp_path / "damaged")
    (tmp_path / "damaged" / "tokenizer_config.json").write_text("{")
    with pytest.raises(InputError, match=r"damaged: its configuration or tokenizer cannot be loaded"):
        open_tokenizer(find_subject(str(tmp_path / "damaged"), SETTINGS), SETTINGS)


def test_a_base_that_no_model_needs_is_refused(tiny_proxy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--base somewhere: none of the models is an adapter"):
        spice_select.evaluate(tiny_proxy, held_out=tmp_path / "rows.jsonl", base="somewhere", out=tmp_path)
