"""What decides a kept number, each altered once; and a training's model held against what its training recorded."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import spice_select
from spice_select.errors import InputError
from spice_select.evaluation import stage
from spice_select.evaluation.deciding import deciding_files
from spice_select.evaluation.provenance import hold_to_record, settings_for
from spice_select.evaluation.settings import ModelSettings
from spice_select.evaluation.subjects import find_subject
from spice_select.features.proxy import _with_adapter
from spice_select.models.embedded import NAME as EMBEDDED_NAME
from spice_select.models.identify import ModelIdentity, identify_model
from spice_select.models.recorded import changed_since, record_of, write_record
from spice_select.run.folder import open_run
from tests.evaluation.models import write_adapter

Corpus = Callable[..., Path]
SETTINGS = ModelSettings(dtype="float32", device="cpu")


@pytest.fixture
def base(tiny_proxy: Path, tmp_path: Path) -> Path:
    """A copy that may be altered."""
    return Path(shutil.copytree(tiny_proxy, tmp_path / "base"))


@pytest.fixture
def held_out(corpus: Corpus, sums: Callable[..., list[dict[str, Any]]]) -> Path:
    return corpus(sums(6, seed=3), "held.jsonl")


def reword(path: Path, /, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


ALTERED: dict[str, Callable[[Path], None]] = {
    "config": lambda base: reword(base / "config.json", rms_norm_eps=0.1),
    "rope": lambda base: reword(base / "config.json", rope_theta=77.0),
    "generation": lambda base: reword(base / "generation_config.json", repetition_penalty=3.0),
    "tokenizer": lambda base: reword(base / "tokenizer_config.json", model_max_length=99),
    "added tokens": lambda base: (base / "added_tokens.json").write_text('{"<more>": 383}'),
    "special tokens": lambda base: (base / "special_tokens_map.json").write_text('{"pad_token": "<more>"}'),
    "template": lambda base: (base / "chat_template.jinja").write_text("{{ messages[0].content }}"),
    "another template": lambda base: (
        (base / "additional_chat_templates").mkdir(),
        (base / "additional_chat_templates" / "tool_use.jinja").write_text("x"),
    ),
    "code": lambda base: (base / "modeling_own.py").write_text("x = 1"),
}


@pytest.mark.parametrize("what", [*ALTERED, "adapter's tokenizer", "adapter's scale", "nothing", "notes"])
def test_everything_that_decides_a_number_is_in_its_identity(base: Path, tmp_path: Path, what: str) -> None:
    (base / "generation_config.json").write_text("{}")
    adapter = write_adapter(base, tmp_path / "adapter")

    def facts() -> dict[str, Any]:
        subject = find_subject(str(adapter), SETTINGS)
        return {**subject.identity, **deciding_files(subject)}

    before = facts()
    if what in ALTERED:
        ALTERED[what](base)
    elif what == "adapter's tokenizer":
        reword(adapter / "tokenizer_config.json", model_max_length=99)
    elif what == "adapter's scale":
        reword(adapter / "adapter_config.json", lora_alpha=99)
    elif what == "notes":
        (base / "README.md").write_text("Good to know.")
    assert (facts() == before) == (what in ("nothing", "notes"))


@pytest.mark.parametrize("what", ["config", "template", "tokenizer"])
def test_a_number_is_not_taken_again_once_a_file_of_its_model_has_changed(
    base: Path, held_out: Path, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = spice_select.evaluate(base, held_out=held_out, out=tmp_path / "out")
    if what == "template":
        text = (base / "chat_template.jinja").read_text()
        (base / "chat_template.jinja").write_text(text + "{# the same words #}")
    else:
        ALTERED[what](base)
    loaded = []
    plain = stage.open_subject
    monkeypatch.setattr(stage, "open_subject", lambda *given: loaded.append(1) or plain(*given))
    second = spice_select.evaluate(base, held_out=held_out, out=tmp_path / "out")
    assert loaded == [1]
    values = [found.models[0].losses[0].per_token.value for found in (first, second)]
    assert (values[0] == values[1]) == (what != "config")


# a training's folder


@pytest.fixture
def trained(base: Path, tmp_path: Path) -> Path:
    """The folder of a finished training of an adapter, as `spice train` leaves it."""
    known = identify_model(str(base))
    record = record_of(known, str(base))
    with open_run(tmp_path / "trained", {"kind": "training", **record}) as folder:
        write_adapter(base, folder.path / "model")
        write_record(folder.path / "model", record)
        names = [f"model/{path.name}" for path in sorted((folder.path / "model").iterdir())]
        folder.finish({"identity": {"kind": "training", **record}}, names)
    return tmp_path / "trained"


def held(name: Path, settings: ModelSettings = SETTINGS) -> str | None:
    opened = settings_for(str(name), settings)
    return hold_to_record(find_subject(str(name), opened), opened)


def test_a_training_as_it_was_left_is_taken(trained: Path) -> None:
    assert held(trained) is None
    assert held(trained / "model") is None


@pytest.mark.parametrize("what", ["config", "tokenizer", "template", "code", "added tokens", "special tokens"])
@pytest.mark.parametrize("inner", ["", "model", "copied"])
def test_a_base_that_changed_since_the_training_is_refused_with_both_sums(
    base: Path, trained: Path, tmp_path: Path, what: str, inner: str
) -> None:
    place = trained / inner
    if inner == "copied":  # the adapter alone, far from its manifest
        place = Path(shutil.copytree(trained / "model", tmp_path / "far" / "copied"))
    ALTERED[what](base)
    words = r"its base .* is no longer the one it was trained on; .*[0-9a-f]{64} then, [0-9a-f]{64} now.*--base"
    with pytest.raises(InputError, match=words):
        held(place)
    note = held(place, SETTINGS.model_copy(update={"base": str(base)}))
    assert note is not None
    assert "as given, is not the one it was trained on" in note


def test_trainings_from_before_there_was_a_record_are_held_against_their_manifest(base: Path, trained: Path) -> None:
    (trained / "model" / "base.json").unlink()
    assert held(trained / "model") is None
    ALTERED["config"](base)
    with pytest.raises(InputError, match="no longer the one it was trained on"):
        held(trained / "model")


def test_an_adapter_of_another_make_has_no_record_to_be_held_against(base: Path, tmp_path: Path) -> None:
    adapter = write_adapter(base, tmp_path / "adapter")
    ALTERED["config"](base)
    assert held(adapter) is None


def test_a_training_whose_own_files_were_edited_is_refused_until_they_are_named(trained: Path) -> None:
    (trained / "model" / "tokenizer.json").unlink()
    with pytest.raises(
        InputError, match=r"tokenizer\.json is missing, so this is not the model that the training left"
    ):
        held(trained)
    reword(trained / "model" / "adapter_config.json", lora_alpha=99)
    with pytest.raises(InputError, match=r"adapter_config\.json was altered since: SHA-256 .* naming .*model\."):
        held(trained)
    assert held(trained / "model") is None


@pytest.mark.parametrize("altered", ["outputs", "not JSON"])
def test_a_training_whose_manifest_was_edited_is_refused(trained: Path, altered: str) -> None:
    """Else a sum that is taken out, or written anew, lets another model through."""
    path = trained / "manifest.json"
    if altered == "outputs":
        reword(path, outputs={})
    else:
        path.write_text("{")
    reword(trained / "model" / "adapter_config.json", lora_alpha=99)
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        held(trained)


@pytest.mark.parametrize("content", [{"outputs": 3}, {"identity": "mine"}])
def test_a_manifest_of_another_make_beside_a_model_says_nothing_of_it(base: Path, content: dict[str, Any]) -> None:
    (base / "manifest.json").write_text(json.dumps(content))
    assert held(base) is None


def test_a_training_moved_to_where_its_base_is_not_says_so(base: Path, trained: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(trained, tmp_path / "elsewhere" / "trained"))
    base.rename(tmp_path / "renamed")
    with pytest.raises(InputError, match=r"its base '.*base' cannot be used: .*no such directory.*--base"):
        held(moved)
    assert held(moved, SETTINGS.model_copy(update={"base": str(tmp_path / "renamed")})) is None


def test_what_was_trained_on_the_embedded_model_finds_it_on_any_machine(trained: Path) -> None:
    reword(trained / "model" / "base.json", model=EMBEDDED_NAME, path="/a/cache/of/another/machine")
    assert settings_for(str(trained), SETTINGS).base == "embedded"
    assert settings_for(str(trained / "model"), SETTINGS).base == "embedded"
    assert settings_for(str(trained), SETTINGS.model_copy(update={"base": "./mine"})).base == "./mine"
    assert settings_for("someone/something", SETTINGS).base is None


def test_a_record_that_is_damaged_says_so(trained: Path) -> None:
    (trained / "model" / "base.json").write_text("{")
    with pytest.raises(InputError, match=r"base\.json: not JSON"):
        held(trained / "model")


def test_the_sums_of_an_adapter_are_told_from_those_of_its_base(base: Path) -> None:
    known = identify_model(str(base))
    record = record_of(known, str(base))
    with_adapter = {**record, "model_weights_sha256": f"{known.weights_hash}+{'a' * 64}"}
    assert changed_since(known, record) is None
    assert changed_since(known, with_adapter) is None
    assert changed_since(known, {}) is None
    changed = changed_since(known, {**record, "model_weights_sha256": "b" * 64})
    assert changed == f"its weights changed: SHA-256 {'b' * 64} then, {known.weights_hash} now"
    other = replace(known, weights_hash=f"{known.weights_hash}+{'c' * 64}")
    assert changed_since(other, with_adapter) == f"its adapter changed: SHA-256 {'a' * 64} then, {'c' * 64} now"


def test_they_are_on_a_base_from_the_hub_too_which_has_a_commit_and_no_sum(tmp_path: Path) -> None:
    (tmp_path / "warm.safetensors").write_bytes(b"an adapter")
    base = ModelIdentity(name="owner/name", weights_hash="", revision="c0ffee")
    adapted = _with_adapter(base, str(tmp_path / "warm.safetensors"))
    assert changed_since(base, adapted.sums) is None
    assert changed_since(adapted, adapted.sums) is None
    moved = replace(base, revision="decaf")
    assert changed_since(moved, adapted.sums) == "its revision changed: commit c0ffee then, decaf now"
    (tmp_path / "warm.safetensors").write_bytes(b"another")
    other = _with_adapter(base, str(tmp_path / "warm.safetensors"))
    assert str(changed_since(other, adapted.sums)).startswith("its adapter changed: ")


# rows that are lost


def test_held_out_rows_that_are_lost_or_cut_are_counted_in_the_table_and_the_file(
    base: Path, corpus: Corpus, sums: Callable[..., list[dict[str, Any]]], tmp_path: Path, spice: Any
) -> None:
    unanswered = {"messages": [{"role": "user", "content": "is there anybody"}]}
    file = corpus([*sums(6, seed=3), unanswered, unanswered], "held.jsonl")
    asked = ("evaluate", base, "--held-out", file, "--max-length", "45", "--out", tmp_path / "out")
    code, text, _ = spice(*asked)
    assert code == 0
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["models"][0]["rows"]
    assert rows["given"] == 8
    assert rows["judged"] + sum(rows["dropped"].values()) == 8
    assert sum(rows["dropped"].values()) >= 2
    assert rows["truncated"] > 0
    for reason, count in rows["dropped"].items():
        assert any(line.split()[-1] == str(count) for line in text.splitlines() if f"not used: {reason}" in line)
    assert any(line.split()[-1] == str(rows["truncated"]) for line in text.splitlines() if "cut at" in line)
