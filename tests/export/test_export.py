"""What every export keeps: all rows, their texts and their order; and what it never does: lose, mix or overwrite."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from spice_select.data.formats import FORMATS as KNOWN
from spice_select.data.records import Row
from spice_select.errors import InputError
from spice_select.export import DESTINATIONS, Jsonl, LlamaFactory, Trl, export_run
from spice_select.export.base import Origin
from spice_select.export.card import CONVERSATIONS, card
from spice_select.run import files as outputs
from spice_select.run.summary import Mix
from spice_select.testing.tokenizers import CHATML, tiny_tokenizer
from tests.training.runs import CALL, FORMATS, OTHER_CALL, finished_run, lines, turns

PAIR = {"messages": turns("question", "answer"), "source": "s"}
LONG = {"messages": turns("a", "b", "c", "d")}


def read_trl(folder: Path) -> list[list[dict[str, Any]]]:
    from datasets import load_dataset

    rows = load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))["train"]
    return [row["messages"] if "messages" in row else row["prompt"] + row["completion"] for row in rows]


def read_lines(folder: Path) -> list[list[dict[str, Any]]]:
    return [row["messages"] for row in lines(folder / "train.jsonl")]


READERS = {"trl": read_trl, "llamafactory": read_lines, "axolotl": read_lines}


def test_every_format_and_every_destination_is_in_the_tables() -> None:
    assert FORMATS.keys() == {known.name for known in KNOWN}
    assert READERS.keys() | {"jsonl"} == set(DESTINATIONS.names)


@pytest.mark.parametrize("destination", READERS)
@pytest.mark.parametrize("row_format", FORMATS)
def test_rows_of_every_format_become_the_conversations_they_are(
    tmp_path: Path, row_format: str, destination: str
) -> None:
    raw, conversation = FORMATS[row_format]
    done = export_run(finished_run(tmp_path / "r", [raw], row_format), destination)
    assert done.path == tmp_path / f"r-{destination}"
    assert READERS[destination](done.path) == [conversation]
    assert done.left_out == ()


@pytest.mark.parametrize("destination", READERS)
def test_rows_keep_the_order_in_which_they_were_picked(tmp_path: Path, destination: str) -> None:
    rows = [{"messages": turns(f"q{n}", f"a{n}")} for n in (3, 1, 2)]
    done = export_run(finished_run(tmp_path / "r", rows, "messages"), destination)
    assert READERS[destination](done.path) == [row["messages"] for row in rows]


# ---- rows as they came


@pytest.mark.parametrize(
    "raw",
    [
        PAIR,
        {**PAIR, "id": 7, "nested": {"a": [1, None, 2.5]}, "ünicode": "日本 😀"},
        {**PAIR, "spice": {"rank": 9}},
        {**PAIR, "spice": "two teaspoons"},
        {"messages": turns("half a pair \ud83d", "b")},
    ],
)
def test_jsonl_gives_back_the_row_itself(tmp_path: Path, raw: dict[str, Any]) -> None:
    done = export_run(finished_run(tmp_path / "r", [raw], "messages"), "jsonl")
    (back,) = lines(done.path / "train.jsonl")
    assert back == raw
    assert list(back) == list(raw)
    (note,) = (line["spice"] for line in lines(tmp_path / "r" / outputs.SELECTED))
    assert Row(number=0, raw=back, where="").content_hash == note["sha256"]


@pytest.mark.parametrize("destination", DESTINATIONS.names)
def test_what_the_selection_wrote_is_kept_only_if_asked(tmp_path: Path, destination: str) -> None:
    from datasets import load_dataset

    run = finished_run(tmp_path / "r", [PAIR, PAIR], "messages")
    for keep in (False, True):
        done = export_run(run, destination, out=tmp_path / f"{destination}-{keep}", keep_spice=keep)
        kind, pattern = ("parquet", "data/*.parquet") if destination == "trl" else ("json", "train.jsonl")
        files = str(done.path / pattern)
        rows = load_dataset(kind, data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
        assert ("spice" in rows.column_names) == keep
        if keep:
            assert [note["rank"] for note in rows["spice"]] == [1, 2]
            assert rows[0]["spice"]["epsilon"] == -0.25


BYTES = {**PAIR, "img": {"bytes": b"\x89PNG", "path": "x"}, "score": float("nan")}


def test_jsonl_is_strict_json_and_names_what_json_cannot_say(tmp_path: Path) -> None:
    done = export_run(finished_run(tmp_path / "r", [BYTES, PAIR], "messages"), "jsonl")
    text = (done.path / "train.jsonl").read_text()
    back, _ = (json.loads(line, parse_constant=pytest.fail) for line in text.splitlines())
    assert (back["img"], back["score"]) == ({"bytes": "iVBORw==", "path": "x"}, None)
    (note,) = [note for note in done.notes if "img.bytes (base64, 1 row)" in note]
    assert "score (nan, 1 row)" in note
    assert json.loads((done.path / "export.json").read_text())["notes"] == list(done.notes)


def test_a_row_left_out_says_what_json_cannot(tmp_path: Path) -> None:
    row = {**BYTES, "messages": UNFIT["reasoning"][0]["messages"]}
    done = export_run(finished_run(tmp_path / "r", [row, PAIR], "messages"), "llamafactory")
    (line,) = lines(done.path / "left_out.jsonl")
    assert line["record"]["img"]["bytes"] == "iVBORw=="
    assert line["encoded"] == {"/img/bytes": "base64", "/score": "nan"}


# ---- fields that are left behind

MISREAD = {"prompt": "p", "text": "t", "split": "train", "tools": None, "id": 7, "kind": "", "seen": False}


@pytest.mark.parametrize(
    ("destination", "columns"),
    [
        ("trl", {"prompt", "completion", "source"}),
        ("llamafactory", {"messages"}),
        ("axolotl", {"messages"}),
        ("jsonl", {*PAIR, *MISREAD}),
    ],
)
def test_only_what_is_meant_is_exported_and_the_rest_is_named(
    tmp_path: Path, destination: str, columns: set[str]
) -> None:
    from datasets import load_dataset

    done = export_run(finished_run(tmp_path / "r", [{**PAIR, **MISREAD}, PAIR], "messages"), destination)
    kind, pattern = ("parquet", "data/*.parquet") if destination == "trl" else ("json", "train.jsonl")
    files = str(done.path / pattern)
    rows = load_dataset(kind, data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert set(rows.column_names) == columns
    said = " ".join(done.notes)
    for name in ("prompt", "text", "split", "id", "seen"):
        assert (f"{name} (1 row)" in said) == (destination != "jsonl")
    assert "kind" not in said  # it says nothing
    assert ("source (2 rows)" in said) == (destination in ("llamafactory", "axolotl"))
    if destination == "trl":
        assert "not here: `prompt`, `text`, `split`" in (done.path / "README.md").read_text()


def test_tokens_that_axolotl_leaves_out_are_counted_where_the_tokenizer_is_here(tmp_path: Path) -> None:
    rows = [{"messages": turns("a", "[[1], [2]]")}, {"messages": turns("a", "[1]")}, {"messages": turns("a", "b")}]
    run = finished_run(tmp_path / "r", rows, "messages")
    assert any(
        "2 tokens in 1 of 3 rows" in note for note in export_run(run, "axolotl").notes
    )  # the brackets that its dummy begins and ends with


def test_what_axolotl_could_get_wrong_is_counted_where_it_is_not(tmp_path: Path) -> None:
    rows = [{"messages": turns("a", "[1, 2]")}, LONG, {"messages": turns("a", "b")}]
    done = export_run(finished_run(tmp_path / "r", rows, "messages"), "axolotl", model="nobody/nothing")
    assert any("1 row has several" in note for note in done.notes)
    assert any("of the 1 answers that begin with '['" in note for note in done.notes)


@pytest.mark.parametrize("destination", ["trl", "axolotl"])
def test_what_a_template_elsewhere_may_not_show_is_counted(tmp_path: Path, destination: str) -> None:
    rows = [{"messages": turns("a", "b", system="s")}, CALL, PAIR]
    done = export_run(finished_run(tmp_path / "r", rows, "messages"), destination, model="nobody/nothing")
    assert any("1 with a system turn, 1 with tool calls" in note for note in done.notes)


def test_what_llamafactory_shows_otherwise_is_counted(tmp_path: Path) -> None:
    named = json.loads(json.dumps(CALL))
    named["messages"][2]["tool_call_id"] = "c1"
    notes = export_run(finished_run(tmp_path / "r", [named, CALL, PAIR], "messages"), "llamafactory").notes
    assert any("2 rows are trained on other tokens" in note for note in notes)
    assert any("left out of 1 row" in note for note in notes)


# ---- rows that cannot be expressed

UNFIT = {
    "ends in a question": ({"messages": turns("a", "b", "c")}, "no-answer-at-the-end"),
    "answer first": ({"messages": turns("a", "b", "c", "d")[1:]}, "turns-do-not-alternate"),
    "system turn inside": (
        {"messages": [*turns("a", "b"), {"role": "system", "content": "s"}, *turns("c", "d")]},
        "turns-do-not-alternate",
    ),
    "two tool results": (
        {"messages": [*CALL["messages"][:3], {"role": "tool", "content": "x"}, CALL["messages"][3]]},
        "turns-do-not-alternate",
    ),
    "reasoning": (
        {"messages": [turns("a")[0], {"role": "assistant", "content": "b", "reasoning_content": "hm"}]},
        "reasoning",
    ),
    "text beside a call": (
        {"messages": [turns("a")[0], {**CALL["messages"][1], "content": "Let me see."}, *CALL["messages"][2:]]},
        "text-beside-call",
    ),
    "half a surrogate pair": ({"messages": turns("\ud83d", "b")}, "not-unicode"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_rows_llamafactory_would_skip_or_change_are_left_out_with_a_reason(tmp_path: Path, case: str) -> None:
    raw, reason = UNFIT[case]
    done = export_run(finished_run(tmp_path / "r", [PAIR, raw, LONG], "messages"), "llamafactory")
    assert read_lines(done.path) == [PAIR["messages"], LONG["messages"]]
    assert done.reasons == {reason: 1}
    (line,) = lines(done.path / "left_out.jsonl")
    assert (line["row"], line["reason"], line["record"]) == (1, reason, raw)
    assert json.loads((done.path / "export.json").read_text())["left_out"] == 1


@pytest.mark.parametrize("destination", ["trl", "axolotl"])
@pytest.mark.parametrize("case", [case for case in UNFIT if case != "half a surrogate pair"])
def test_what_llamafactory_cannot_take_the_others_can(tmp_path: Path, case: str, destination: str) -> None:
    raw, _ = UNFIT[case]
    done = export_run(finished_run(tmp_path / "r", [raw, PAIR], "messages"), destination)
    assert done.left_out == ()
    assert [turn["content"] for turn in READERS[destination](done.path)[0]] == [t["content"] for t in raw["messages"]]


@pytest.mark.parametrize("destination", ["trl", "axolotl"])
def test_broken_unicode_is_left_out_of_what_arrow_reads(tmp_path: Path, destination: str) -> None:
    rows = [UNFIT["half a surrogate pair"][0], PAIR]
    done = export_run(finished_run(tmp_path / "r", rows, "messages"), destination)
    assert done.reasons == {"not-unicode": 1}
    assert READERS[destination](done.path) == [PAIR["messages"]]
    assert lines(done.path / "left_out.jsonl")[0]["record"] == rows[0]


def test_a_call_whose_arguments_are_no_json_is_left_out(tmp_path: Path) -> None:
    broken = json.loads(json.dumps(CALL))
    broken["messages"][1]["tool_calls"][0]["function"]["arguments"] = "{oops"
    run = finished_run(tmp_path / "r", [broken, PAIR], "messages")
    assert [export_run(run, name).reasons for name in ("llamafactory", "axolotl")] == [{"broken-tool-call": 1}] * 2


def test_if_no_row_can_be_expressed_nothing_is_written(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [UNFIT["reasoning"][0]], "messages")
    with pytest.raises(InputError, match=r"none of the 1 chosen rows.*reasoning 1.*--to jsonl"):
        export_run(run, "llamafactory")
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


# ---- tool calls


def test_tool_calls_keep_their_own_arguments_and_gain_no_others(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [CALL, OTHER_CALL, PAIR], "messages")
    assert read_trl(export_run(run, "trl").path) == [CALL["messages"], OTHER_CALL["messages"], PAIR["messages"]]
    calls = [row[1]["content"] for row in read_lines(export_run(run, "llamafactory").path)[:2]]
    assert [json.loads(call) for call in calls] == [
        [{"name": "weather", "arguments": {"city": "Rome"}}],
        [{"name": "add", "arguments": {"a": 1, "b": 2}}],
    ]
    calls = [row[1]["tool_calls"][0]["function"] for row in read_lines(export_run(run, "axolotl").path)[:2]]
    assert [json.loads(call["arguments"]) for call in calls] == [{"city": "Rome"}, {"a": 1, "b": 2}]


def test_tools_are_json_text_where_a_row_has_them(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [CALL, PAIR], "messages")
    told, silent = lines(export_run(run, "axolotl").path / "train.jsonl")
    assert (json.loads(told["tools"]), silent["tools"]) == (CALL["tools"], None)
    told, silent = lines(export_run(run, "llamafactory").path / "train.jsonl")
    # bare functions, each with the properties that LLaMA-Factory's formatter asks for
    expected = [{"name": "weather", "parameters": {"type": "object", "properties": {}}}]
    assert (json.loads(told["tools"]), silent["tools"]) == (expected, "")


@pytest.mark.parametrize(
    "tool",
    [
        {"description": "nameless"},
        {"name": "f", "parameters": []},
        {"name": "f", "parameters": "x"},
        {"name": "f", "parameters": {"properties": {"n": {"type": "integer", "enum": [1, 2]}}}},
        {"name": "f", "parameters": {"properties": {"n": "integer"}}},
    ],
)
def test_tools_that_would_stop_llamafactory_are_left_out(tmp_path: Path, tool: dict[str, Any]) -> None:
    run = finished_run(tmp_path / "r", [{**CALL, "tools": [tool]}, PAIR], "messages")
    expected = {} if tool.get("parameters") == [] else {"tool-schema": 1}  # an empty list says as much as nothing
    assert export_run(run, "llamafactory").reasons == expected


# ---- folders


def test_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    export_run(
        finished_run(tmp_path / "a", [PAIR, UNFIT["reasoning"][0]], "messages"), "llamafactory", out=tmp_path / "x"
    )
    done = export_run(finished_run(tmp_path / "b", [LONG], "messages"), "jsonl", out=tmp_path / "x")
    assert sorted(path.name for path in done.path.iterdir()) == ["export.json", "train.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "x"]


def _stranger(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")


def _file(folder: Path) -> None:
    folder.write_text("a file")


def _trained_in(folder: Path) -> None:
    export_run(finished_run(folder.parent / "other", [PAIR], "messages"), "trl", out=folder)
    (folder / "outputs").mkdir()
    (folder / "outputs" / "adapter.safetensors").write_bytes(b"a night of training")


def _edited(folder: Path) -> None:
    export_run(finished_run(folder.parent / "other", [PAIR], "messages"), "axolotl", out=folder)
    (folder / "axolotl.yaml").write_text("base_model: mine\n")


def _broken_mark(folder: Path) -> None:
    folder.mkdir()
    (folder / "export.json").write_text("[]")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_stranger, "thesis.tex"),
        (_file, "is a file"),
        (_trained_in, "outputs/adapter.safetensors"),
        (_edited, "axolotl.yaml"),
        (_broken_mark, "export.json"),
    ],
)
def test_what_is_not_an_untouched_export_is_never_written_over(tmp_path: Path, make: Any, words: str) -> None:
    place = tmp_path / "x"
    make(place)
    before = {path: path.read_bytes() for path in [place, *place.rglob("*")] if path.is_file()}
    with pytest.raises(InputError, match=words):
        export_run(finished_run(tmp_path / "r", [LONG], "messages"), "jsonl", out=place)
    assert {path: path.read_bytes() for path in [place, *place.rglob("*")] if path.is_file()} == before


def test_an_export_that_fails_leaves_nothing_and_the_earlier_one_whole(tmp_path: Path) -> None:
    class Failing(Jsonl):
        def write(self, folder: Path, records: Any, origin: Any) -> tuple[str, ...]:
            super().write(folder, records, origin)
            raise RuntimeError("power cut")

    run = finished_run(tmp_path / "r", [PAIR], "messages")
    done = export_run(run, "jsonl")
    before = (done.path / "train.jsonl").read_bytes()
    for place in (done.path, tmp_path / "new"):
        with pytest.raises(RuntimeError, match="power cut"):
            export_run(run, Failing(), out=place)
    assert (done.path / "train.jsonl").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r", "r-jsonl"]


def test_out_that_names_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder of files"):
        export_run(finished_run(tmp_path / "r", [PAIR], "messages"), "jsonl", out=tmp_path / "clean.jsonl")


# ---- runs


def test_chosen_rows_that_were_altered_are_refused(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [PAIR], "messages")
    path = run.path / outputs.SELECTED
    path.write_text(path.read_text().replace("answer", "advert"))
    with pytest.raises(InputError, match=r"altered after the run.*spice select"):
        export_run(run, "trl")
    path.unlink()
    with pytest.raises(InputError, match="is missing"):
        export_run(run, "trl")


def test_an_unknown_target_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'axolotl'"):
        export_run(finished_run(tmp_path / "r", [PAIR], "messages"), "axolot")


# ---- what goes with the data


def test_a_run_made_by_hand_has_the_settings_that_it_was_made_with(tmp_path: Path) -> None:
    asked = {"method": "random", "budget": 0.1, "model": Path("tiny"), "pair_gradient": "tail"}
    settings = finished_run(tmp_path / "r", [PAIR], "messages", **asked).settings
    assert (settings.selection.method, settings.selection.budget, settings.proxy.model) == ("random", "0.1", "tiny")
    assert finished_run(tmp_path / "s", [PAIR], "messages").settings.proxy.model is None


def test_the_card_says_from_what_and_how_and_by_which_hashes(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [PAIR, LONG], "messages", budget="2", model="tiny")
    done = export_run(run, "trl")
    text = (done.path / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    (file,) = (done.path / "data").iterdir()
    assert yaml.safe_load(front)["configs"][0]["data_files"] == [{"split": "train", "path": f"data/{file.name}"}]
    for words in ("2 rows chosen from 20", "`train.jsonl`", run.manifest["outputs"][outputs.SELECTED], "c" * 64):
        assert words in body
    assert "questions included" in body


@pytest.mark.parametrize(
    ("rows", "word"), [([PAIR], "completion_only_loss=True"), ([LONG], "assistant_only_loss=True")]
)
def test_the_script_states_the_loss(tmp_path: Path, rows: list[dict[str, Any]], word: str) -> None:
    done = export_run(finished_run(tmp_path / "r", rows, "messages", max_length=77), "trl", model="org/target")
    text = (done.path / "train.py").read_text()
    compile(text, "train.py", "exec")
    assert word in text
    assert "max_length=77" in text
    assert "'org/target'" in text


@pytest.mark.parametrize(
    ("destination", "file", "key"),
    [("llamafactory", "train.yaml", "model_name_or_path"), ("axolotl", "axolotl.yaml", "base_model")],
)
def test_configurations_are_yaml_and_name_the_model(tmp_path: Path, destination: str, file: str, key: str) -> None:
    run = finished_run(tmp_path / "r", [PAIR], "messages", max_length=77)
    for model in ("org/target", 'C:\\a "b": #c'):
        config = yaml.safe_load((export_run(run, destination, model=model).path / file).read_text())
        assert config[key] == model
        assert config["learning_rate"] == 5e-5
        assert 77 in config.values()


# ---- the model to train


@pytest.mark.parametrize("kind", ["messages", "preference", "kto"])
def test_the_revision_of_the_run_s_proxy_is_that_of_the_model_to_train(tmp_path: Path, kind: str) -> None:
    answers = {name: [{"role": "assistant", "content": name}] for name in ("chosen", "rejected")}
    row = {
        "messages": PAIR,
        "preference": {"prompt": turns("question"), **answers},
        "kto": {"prompt": "question", "completion": "answer", "label": True},
    }[kind]
    run = finished_run(tmp_path / "r", [row], kind, model="org/proxy", model_revision="v1.5")
    config = yaml.safe_load((export_run(run, "llamafactory").path / "train.yaml").read_text())
    assert config["model_revision"] == "v1.5"
    if kind != "kto":  # of which axolotl needs the tokenizer
        config = yaml.safe_load((export_run(run, "axolotl").path / "axolotl.yaml").read_text())
        assert config["revision_of_model"] == "v1.5"
    text = (export_run(run, "trl").path / "train.py").read_text()
    compile(text, "train.py", "exec")
    assert 'model_init_kwargs={"revision": "v1.5"} if given.model == \'org/proxy\' else None,' in text
    other = export_run(run, "llamafactory", model="org/target")
    assert "revision" not in (other.path / "train.yaml").read_text()
    assert "model_init_kwargs" not in (export_run(run, "trl", model="org/target").path / "train.py").read_text()


def model_folder(place: Path, template: str = CHATML, **tokens: str) -> Path:
    tiny_tokenizer(template, **tokens).save_pretrained(place)
    (place / "config.json").write_text('{"model_type": "llama"}')
    return place


@pytest.mark.parametrize(
    ("tokens", "ends"),
    [
        ({}, None),  # the EOS, which axolotl trains on by itself
        ({"eos": "</s>"}, ["<|im_end|>"]),
    ],
)
def test_axolotl_is_told_what_ends_a_turn(tmp_path: Path, tokens: dict[str, str], ends: list[str] | None) -> None:
    model = model_folder(tmp_path / "model", **tokens)
    done = export_run(finished_run(tmp_path / "r", [PAIR], "messages", model=str(model)), "axolotl")
    assert yaml.safe_load((done.path / "axolotl.yaml").read_text()).get("eot_tokens") == ends
    assert not [note for note in done.notes if "eot_tokens" in note]


def test_where_the_end_of_a_turn_is_not_known_or_no_token_that_is_said(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [PAIR], "messages")
    assert "eot_tokens" not in " ".join(export_run(run, "axolotl").notes)  # the embedded proxy ends turns with its EOS
    assert "not on this machine" in " ".join(export_run(run, "axolotl", model="nobody/nothing").notes)
    bare = model_folder(tmp_path / "bare", CHATML.replace("<|im_end|>", "###"))
    done = export_run(run, "axolotl", model=str(bare))
    assert "no token that axolotl could be told of" in " ".join(done.notes)
    assert "eot_tokens" not in yaml.safe_load((done.path / "axolotl.yaml").read_text())


@pytest.mark.parametrize("trainer", ["trl", "axolotl"])
def test_a_tokenizer_that_is_here_without_a_template_is_not_said_to_be_elsewhere(tmp_path: Path, trainer: str) -> None:
    bare = tmp_path / "bare"
    tiny_tokenizer(None).save_pretrained(bare)
    (bare / "config.json").write_text('{"model_type": "llama"}')
    row = {"messages": turns("question", "answer", system="Be brief.")}
    said = " ".join(export_run(finished_run(tmp_path / "r", [row], "messages"), trainer, model=str(bare)).notes)
    assert f"has no chat template that shows a question and its answer, and {trainer} shows it the rows by one" in said
    assert "is not on this machine" not in said


def test_the_embedded_proxy_ends_turns_with_its_eos() -> None:
    from spice_select.export.trainee import EMBEDDED_ON_HUB, Trainee

    found = Trainee(EMBEDDED_ON_HUB, None).end_of_turn
    assert found is not None
    assert found.token == found.eos


def test_what_is_here_and_is_no_model_is_not_named_as_one(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [PAIR], "messages")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    for place, words in ((adapter, "holds a PEFT adapter"), (run.path, "no config.json"), (run.path / "a.bin", "GGUF")):
        if not place.is_dir():
            place.write_text("")
        with pytest.raises(InputError, match=words):
            export_run(run, "axolotl", model=str(place), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rows_alone_name_no_model(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [PAIR], "messages", model=str(model_folder(tmp_path / "model")))
    assert any("named by its path" in note for note in export_run(run, "axolotl").notes)
    assert export_run(run, "jsonl").notes == ()


def test_an_adapter_that_rows_were_chosen_with_is_said_not_to_be_in_the_model(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [{"messages": turns("a", "b")}], "messages", adapter="tuned")
    assert any("chosen with the adapter tuned" in note for note in export_run(run, "trl", out=tmp_path / "x").notes)
    for done in (export_run(run, "trl", model="org/merged", out=tmp_path / "y"), export_run(run, "jsonl")):
        assert not any("adapter" in note for note in done.notes)


def test_a_model_given_by_a_relative_path_is_named_by_the_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished_run(tmp_path / "r", [PAIR], "messages", model="m")
    monkeypatch.chdir(tmp_path)
    place = str(model_folder(tmp_path / "m").resolve())
    for destination, file in (("trl", "train.py"), ("llamafactory", "train.yaml"), ("axolotl", "axolotl.yaml")):
        done = export_run(run, destination)
        assert place in (done.path / file).read_text()
        assert any(place in note for note in done.notes)
    assert str(tmp_path) not in (tmp_path / "r-trl" / "README.md").read_text()
    # one that is not here stays as it is
    done = export_run(run, "axolotl", model="../elsewhere/m")
    assert yaml.safe_load((done.path / "axolotl.yaml").read_text())["base_model"] == "../elsewhere/m"
    assert any("is not here" in note for note in done.notes)


TEXT_ARGUMENTS = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] }}"
    "{% for call in message['tool_calls'] or [] %}{{ call['function']['name'] + call['function']['arguments'] }}"
    "{% endfor %}{{ '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""A template that takes the arguments of calls as text alone."""


def test_arguments_are_text_where_the_template_takes_nothing_else(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model", TEXT_ARGUMENTS)
    run = finished_run(tmp_path / "r", [CALL, PAIR], "messages", model=str(model))
    call = read_trl(export_run(run, "trl").path)[0][1]["tool_calls"][0]
    assert call["function"]["arguments"] == '{"city": "Rome"}'
    assert export_run(run, "axolotl").reasons == {"text-arguments": 1}  # it makes objects of them, come what may


@pytest.mark.parametrize("destination", ["trl", "llamafactory", "axolotl"])
def test_arguments_given_as_text_are_exported_as_those_given_as_objects(tmp_path: Path, destination: str) -> None:
    as_text = json.loads(json.dumps(CALL))
    as_text["messages"][1]["tool_calls"][0]["function"]["arguments"] = '{"city": "Rome"}'
    first, other = READERS[destination](
        export_run(finished_run(tmp_path / "r", [CALL, as_text], "messages"), destination).path
    )
    assert first == other


def test_messages_can_be_asked_for_where_rows_are_pairs(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [PAIR], "messages")
    from datasets import load_dataset

    for destination, columns in ((Trl(), {"prompt", "completion"}), (Trl(messages=True), {"messages"})):
        done = export_run(run, destination)
        rows = load_dataset(str(done.path), cache_dir=str(tmp_path / "cache"))["train"]
        assert set(rows.column_names) == {*columns, "source"}


def test_one_conversation_of_several_answers_makes_all_rows_messages(tmp_path: Path) -> None:
    done = export_run(finished_run(tmp_path / "r", [PAIR, LONG], "messages"), "trl")
    assert any("assistant_only_loss=True" in step for step in done.steps)
    assert read_trl(done.path) == [PAIR["messages"], LONG["messages"]]


def test_names_in_dataset_info_are_plain(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "my run, v1.0", [PAIR], "messages")
    done = export_run(run, LlamaFactory())
    assert list(json.loads((done.path / "dataset_info.json").read_text())) == ["spice_my_run_v1_0"]
    assert yaml.safe_load((done.path / "train.yaml").read_text())["dataset"] == "spice_my_run_v1_0"


def test_datasets_does_not_take_an_earlier_export_from_its_cache(tmp_path: Path) -> None:
    for rows in ([PAIR], [LONG]):
        done = export_run(
            finished_run(tmp_path / rows[0]["messages"][0]["content"], rows, "messages"), "trl", out=tmp_path / "x"
        )
        assert read_trl(done.path) == [rows[0]["messages"]]


@pytest.mark.parametrize(
    ("settings", "words", "absent"),
    [
        ({}, ("log det(I + αΣ g gᵀ)", "penalty on gradient conflict"), ()),
        ({"conflict_weight": 0.0}, ("log det",), ("penalty",)),
        ({"objective": "target-variance"}, ("the drop in Σ_y", "penalty"), ("log det", "copies")),
        ({"objective": "distinct-variance"}, ("the drop in Σ_y", "copies counted once where many"), ("log det",)),
        (
            {"objective": "target-information", "conflict_weight": 0, "target_rows": 40},
            ("uncertainty", "about the rows y of the target", "for a target of 40 rows"),
            ("log det", "penalty"),
        ),
        (
            {"target_rows": 1},
            ("log det", "penalty on gradient conflict with the picks and with the target", "for a target of 1 row "),
            (),
        ),
        ({"method": "less", "target_rows": 40}, ("`--method less` for a target of 40 rows",), ("log det", "penalty")),
        ({"schedule": "interleaved", "method": "random"}, ("at random in each pool",), ("log det", "penalty")),
        ({"schedule": "pools", "method": "top-norm"}, ("the largest of", "in each pool"), ("log det", "penalty")),
        ({"method": "random"}, ("at random",), ("log det", "penalty", "in each pool")),
    ],
)
def test_the_card_claims_no_other_rule_than_the_run_s(settings, words, absent) -> None:
    identity = {"model": "tiny", "corpus_rows": 20, "conflict_weight": 0.1, "schedule": "global"}
    identity |= {"method": "spice", "objective": "log-det", **settings}
    facts = {"run": "r", "corpus": "a.jsonl", "selected_sha256": "c", "model": "m", "max_length": 9, "version": "0"}
    origin = Origin(identity=identity, chosen=2, **facts)
    said = card(origin, rows=2, columns=CONVERSATIONS, data="data/x.parquet").split("## Columns")[0]
    assert all(word in said for word in words)
    assert not [word for word in absent if word in said]


def test_the_card_tells_the_sources_and_their_names_are_inert() -> None:
    facts = {"run": "r", "corpus": "a.jsonl", "selected_sha256": "c", "model": "m", "max_length": 9, "version": "0"}
    identity = {"model": "tiny", "corpus_rows": 20, "schedule": "global", "method": "random"}
    mix = (
        Mix(source="<script>|\x1b[31m", rows=14, tokens=1400, chosen_rows=1, chosen_tokens=90),
        Mix(source="", rows=6, tokens=600, chosen_rows=1, chosen_tokens=10),
    )
    said = card(Origin(identity=identity, chosen=2, mix=mix, **facts), rows=2, columns="", data="x")
    assert "| (none) | 6 | 1 | 600 | 10 |" in said
    assert "| &lt;script&gt;\\|" in said
    assert "\x1b" not in said
    assert "| source |" not in card(
        Origin(identity=identity, chosen=2, mix=mix[:1], **facts), rows=2, columns="", data="x"
    )


def test_the_card_has_words_for_every_objective() -> None:
    from spice_select.export.card import _GOALS
    from spice_select.selection.objectives import OBJECTIVES

    assert set(_GOALS) == set(OBJECTIVES.names)
