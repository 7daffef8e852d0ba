"""A row that was exported is trained on as the selection saw it, or left out with a reason: for rows of any shape.

What the trainers make of a file is TRL itself, or (axolotl, LLaMA-Factory) their documented reading written out once
more. What they should make of it is written out by hand, from a template of our own and the characters it should train
on.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from spice_select.data.formats import detect_format
from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation, Row
from spice_select.export import Axolotl, Destination, LlamaFactory, Pick, Trl, export_run
from spice_select.export.base import Origin
from spice_select.export.rehearsal import Rehearsal
from spice_select.export.trainee import Trainee
from spice_select.testing.tokenizers import CHATML, tiny_tokenizer
from tests.data.templates import GEMMA, KINDS, QWEN3, Kind
from tests.training.runs import encoded, finished_run, lines, turns

TEMPLATE = (
    "{% if tools %}{{ '<|im_start|>tools\n' }}{{ tools | tojson }}{{ '<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}"
    "{% if message['reasoning_content'] %}{{ '<think>' + message['reasoning_content'] + '</think>' }}{% endif %}"
    "{{ message['content'] }}{% for call in message['tool_calls'] or [] %}"
    "{{ '{' + call['function']['name'] }}{{ call['function']['arguments'] | tojson }}{{ '}' }}{% endfor %}"
    "{{ '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{% if message['name'] %}{{ message['name'] + ': ' }}{% endif %}{{ message['content'] + '<|im_end|>' }}"
    "{% endif %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
EOS = "</s>"  # not what the template ends turns with


def model_folder(place: Path, template: str = CHATML) -> Path:
    tiny_tokenizer(template).save_pretrained(place)
    (place / "config.json").write_text('{"model_type": "llama"}')
    return place


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: dict[str, Any], text: str = "", **more: Any) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": "one plus two?"},
        {"role": "assistant", "content": text, "tool_calls": list(calls), **more},
        *({"role": "tool", "name": each["function"]["name"], "tool_call_id": "c1", "content": "3"} for each in calls),
        {"role": "assistant", "content": "Three."},
    ]


def thinking(*messages: dict[str, Any], **thoughts: str) -> list[dict[str, Any]]:
    """The messages, with reasoning in those that are named by their place."""
    return [
        {**message, "reasoning_content": thoughts[f"at{place}"]} if f"at{place}" in thoughts else message
        for place, message in enumerate(messages)
    ]


TOOLS = ({"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}},)
FOUR = turns("2+2?", "Five.", "Check again.", "Four.")
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {"messages": turns("What is 1 + 2?", "It is 3.")},
    "system": {"messages": turns("Good morning. ", " bonjour, 早上好 😀", system="Be kind.")},
    "several": {"messages": FOUR},
    "question last": {"messages": FOUR[:3]},
    "call": {"messages": calling(call("add", a=1, b=2)), "tools": TOOLS},
    "other arguments": {"messages": calling(call("weather", city="Rom", days=[1, 2], at={"lat": 0.1 + 0.2}))},
    "two calls": {"messages": calling(call("add", a=1), call("add", b="x"))},
    "text beside a call": {"messages": calling(call("add", a=0), text="Let me see.")},
    "no arguments": {"messages": calling(call("now"))},
    "long number": {"messages": calling(call("add", a=10**30))},
    "many digits": {"messages": calling(call("add", a=0.12345678901234567))},
    "reasoning": {"messages": thinking(*turns("2+2?", "Four."), at1="Add two and two.")},
    "reasoning on the way": {"messages": thinking(*FOUR, at1="Guess.")},
    "reasoning and a call": {"messages": calling(call("add", a=1), reasoning_content="Use the tool.")},
    "first untrained": {"messages": FOUR, "untrained": {1}},
    "last untrained": {"messages": FOUR, "untrained": {3}},
    "call untrained": {"messages": calling(call("add", a=1)), "untrained": {1}},
    "one of three untrained": {"messages": turns("a", "b", "c", "d", "e", "f"), "untrained": {3}},
}


def conversation(number: int, shape: str) -> Conversation:
    found = SHAPES[shape]
    return Conversation(
        row=Row(number=number, raw={"messages": found["messages"], "shape": shape}, where=shape),
        messages=tuple(found["messages"]),
        source="",
        tools=found.get("tools", ()),
        untrained=frozenset(found.get("untrained", ())),
    )


ALL = [conversation(number, shape) for number, shape in enumerate(SHAPES)]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer(TEMPLATE, eos=EOS)


@pytest.fixture(scope="module")
def trainee(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Trainee:
    folder = tmp_path_factory.mktemp("model")
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return Trainee(str(folder), str(folder))


def expected(one: Conversation, tokenizer: Any) -> tuple[list[int], list[bool]]:
    """Tokens and mask from the definition: every trained answer and its end of turn, character by character."""
    text, spans = "", []
    if one.tools:
        text = f"<|im_start|>tools\n{json.dumps(list(one.tools), ensure_ascii=False)}<|im_end|>\n"
    for place, message in enumerate(one.messages):
        text += f"<|im_start|>{message['role']}\n"
        begin = len(text)
        if message["role"] == "assistant":
            thought = message.get("reasoning_content")
            text += (f"<think>{thought}</think>" if thought else "") + message["content"]
            for each in message.get("tool_calls", ()):
                arguments = json.dumps(each["function"]["arguments"], ensure_ascii=False)
                text += "{" + each["function"]["name"] + arguments + "}"
            text += "<|im_end|>"
            if place not in one.untrained:
                spans.append((begin, len(text)))
        else:
            text += (f"{message['name']}: " if "name" in message else "") + message["content"] + "<|im_end|>"
        text += "\n"
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    mask = [any(begin <= at < end for begin, end in spans) for at, _ in found["offset_mapping"]]
    return found["input_ids"], mask


def exported(target: Destination, folder: Path, trainee: Trainee, some: Iterable[Conversation] = ALL) -> dict[str, str]:
    """Write what can be expressed; the others by their shape, with the reason."""
    picks = [Pick(row=one.row, reading=one, note={}) for one in some]
    target, records, left_out = target.fitted(picks, trainee), [], {}
    for pick in picks:
        try:
            records.append(target.record(pick))
        except RowError as fault:
            left_out[pick.row.where] = fault.reason
    facts = {"run": "r", "corpus": "c", "selected_sha256": "0", "chosen": len(picks), "version": "0"}
    identity = {"corpus_rows": 99, "model": "tiny", "format": "messages", "method": "random", "schedule": "global"}
    folder.mkdir()
    target.write(folder, records, Origin(identity=identity, model=trainee.name, max_length=999, **facts))
    return left_out


def but(left_out: dict[str, str], some: Iterable[Conversation] = ALL) -> list[Conversation]:
    return [one for one in some if one.row.where not in left_out]


def test_the_selection_itself_trains_on_these_tokens(tokenizer: Any) -> None:
    plain = [one for one in ALL if not one.untrained]
    rows = [{"messages": list(one.messages), "tools": list(one.tools)} for one in plain]
    assert encoded(rows, "messages", tokenizer) == [expected(one, tokenizer) for one in plain]


# ---- TRL itself


def trained_by_trl(folder: Path, tiny_proxy: Path, tokenizer: Any, **loss: Any) -> list[tuple[list[int], list[bool]]]:
    from tests.export.test_trl import supervised

    return supervised(folder, tiny_proxy, tokenizer, **loss)


def test_trl_on_messages(tmp_path: Path, tiny_proxy: Path, tokenizer: Any, trainee: Trainee) -> None:
    pytest.importorskip("trl")
    left_out = exported(Trl(messages=True), tmp_path / "x", trainee)
    untrained = {shape: "untrained-turns" for shape, found in SHAPES.items() if "untrained" in found}
    numbers = {"long number": "number-not-kept", "many digits": "number-not-kept", "other arguments": "number-not-kept"}
    assert left_out == untrained | numbers
    found = trained_by_trl(tmp_path / "x", tiny_proxy, tokenizer, assistant_only_loss=True)
    assert found == [expected(one, tokenizer) for one in but(left_out)]


def test_trl_on_pairs_where_rows_leave_all_but_the_last_answer_out(
    tmp_path: Path, tiny_proxy: Path, tokenizer: Any, trainee: Trainee
) -> None:
    pytest.importorskip("trl")
    some = [one for one in ALL if one.row.where in ("plain", "system", "reasoning", "first untrained", "several")]
    some += [one for one in ALL if one.row.where == "call untrained"]
    left_out = exported(Trl(), tmp_path / "x", trainee, some)
    assert left_out == {"several": "several-answers"}
    assert set(lines_of_parquet(tmp_path / "x")[0]) == {"prompt", "completion"}
    found = trained_by_trl(tmp_path / "x", tiny_proxy, tokenizer)
    wanted = [expected(one, tokenizer) for one in but(left_out, some)]
    assert found == [(ids, [*mask[:-1], True]) for ids, mask in wanted]  # and the line end, as it always does


def lines_of_parquet(folder: Path) -> list[dict[str, Any]]:
    from datasets import load_dataset

    return list(load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))["train"])


# ---- axolotl's reading, from its documentation


def read_by_axolotl(folder: Path, tokenizer: Any) -> list[tuple[list[int], list[bool]]]:
    from datasets import load_dataset

    config = yaml.safe_load((folder / "axolotl.yaml").read_text())
    rows = load_dataset("json", data_files=str(folder / "train.jsonl"), split="train", cache_dir=str(folder / "cache"))
    return [_axolotl_row(without_nulls(row), config, tokenizer) for row in rows]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _axolotl_row(row: dict[str, Any], config: dict[str, Any], tokenizer: Any) -> tuple[list[int], list[bool]]:
    (settings,) = config["datasets"]
    mapping, marks = settings["message_property_mappings"], settings.get("message_field_training")
    said = []
    for message in row[settings["field_messages"]]:
        turn = {key: message[name] for key, name in mapping.items() if name in message}
        for each in turn.get("tool_calls", ()):
            each["function"]["arguments"] = json.loads(each["function"]["arguments"])
        said.append(turn)
    tools = json.loads(row["tools"]) if row.get("tools") else None

    def ids_of(messages: list[dict[str, Any]]) -> list[int]:
        return tokenizer.apply_chat_template(messages, tools=tools, return_dict=False)

    ids = ids_of(said)
    mask = [False] * len(ids)
    ends = {tokenizer.convert_tokens_to_ids(token) for token in config.get("eot_tokens") or [tokenizer.eos_token]}
    for place, (turn, message) in enumerate(zip(said, row[settings["field_messages"]], strict=True)):
        train = message.get(marks) if marks else None
        if not (turn["role"] in settings["roles_to_train"] if train is None else train):
            continue
        dummy = ids_of([*said[:place], {"role": turn["role"], "content": "[[dummy_message]]"}])
        full = ids_of(said[: place + 1])
        begin = next(i for i, (one, other) in enumerate(zip(dummy, full, strict=False)) if one != other)
        pairs = enumerate(zip(reversed(dummy), reversed(full), strict=False))
        end = len(full) - next(i for i, (one, other) in pairs if one != other)
        mask[begin:end] = [True] * (end - begin)
        close = next((i for i in range(end, len(ids)) if ids[i] in ends), None)
        if close is not None and close - end <= 3:
            mask[close] = True
    return ids, mask


def test_axolotl(tmp_path: Path, tokenizer: Any, trainee: Trainee) -> None:
    assert exported(Axolotl(), tmp_path / "x", trainee) == {}
    assert read_by_axolotl(tmp_path / "x", tokenizer) == [expected(one, tokenizer) for one in ALL]


# ---- LLaMA-Factory's reading, from its documentation: which turns it takes for what, and which it trains on


def read_by_llamafactory(folder: Path) -> list[list[tuple[str, str, bool]]]:
    (info,) = json.loads((folder / "dataset_info.json").read_text()).values()
    config, tags = yaml.safe_load((folder / "train.yaml").read_text()), info["tags"]
    answers = (tags["assistant_tag"], tags["function_tag"])
    rows = []
    for line in lines(folder / info["file_name"]):
        said = line[info["columns"]["messages"]]
        last = len(said) - 1
        rows.append(
            [
                (
                    turn[tags["role_tag"]],
                    turn[tags["content_tag"]],
                    turn[tags["role_tag"]] in answers and (place == last or not config["mask_history"]),
                )
                for place, turn in enumerate(said)
            ]
        )
    return rows


def due(one: Conversation) -> list[tuple[str, str, bool]]:
    said = []
    for place, message in enumerate(one.messages):
        functions = [each["function"] for each in message.get("tool_calls", ())]
        trained = message["role"] == "assistant" and place not in one.untrained
        role = "function_call" if functions else message["role"]
        said.append((role, json.dumps(functions) if functions else message["content"], trained))
    return said


@pytest.mark.parametrize(
    ("some", "reasons"),
    [
        (
            SHAPES,
            {
                "question last": "no-answer-at-the-end",
                "two calls": "turns-do-not-alternate",
                "text beside a call": "text-beside-call",
                "reasoning": "reasoning",
                "reasoning on the way": "reasoning",
                "reasoning and a call": "reasoning",
                "first untrained": "untrained-turns",
                "last untrained": "untrained-turns",
                "call untrained": "untrained-turns",
                "one of three untrained": "untrained-turns",
            },
        ),
        (["plain", "system", "first untrained", "call untrained"], {}),
        (["plain", "several", "first untrained", "call untrained"], {"several": "several-answers"}),
    ],
)
def test_llamafactory(tmp_path: Path, trainee: Trainee, some: Iterable[str], reasons: dict[str, str]) -> None:
    chosen = [one for one in ALL if one.row.where in some]
    left_out = exported(LlamaFactory(), tmp_path / "x", trainee, chosen)
    assert left_out == reasons
    assert read_by_llamafactory(tmp_path / "x") == [due(one) for one in but(left_out, chosen)]


# ---- templates of families, with the tokenizer at hand


def model_of(kind: Kind, folder: Path) -> tuple[Any, Trainee]:
    tokenizer = tiny_tokenizer(kind.text, eos=kind.eos, special=(*kind.special, "<think>", "</think>"))
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return tokenizer, Trainee(str(folder), str(folder))


TALK = ("plain", "system", "several", "reasoning", "reasoning on the way")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_under_any_template_axolotl_trains_on_nothing_that_the_selection_does_not(kind: Kind, tmp_path: Path) -> None:
    tokenizer, trainee = model_of(kind, tmp_path / "model")
    some = [one for one in ALL if one.row.where in TALK]
    left_out = exported(Axolotl(), tmp_path / "x", trainee, some)
    assert set(left_out.values()) <= {"other-tokens"}
    kept = but(left_out, some)
    own = encoded([{"messages": list(one.messages)} for one in kept], "messages", tokenizer)
    for (ids, mask), (known, ours) in zip(read_by_axolotl(tmp_path / "x", tokenizer), own, strict=True):
        assert ids == known
        last = max(place for place, trained in enumerate(ours) if trained)
        assert not [at for at in range(last + 1) if mask[at] and not ours[at]]


def test_axolotl_is_kept_from_rows_whose_earlier_answers_the_template_shows_otherwise(tmp_path: Path) -> None:
    _, trainee = model_of(QWEN3, tmp_path / "model")
    some = [one for one in ALL if one.row.where in ("plain", "several")]
    assert exported(Axolotl(), tmp_path / "x", trainee, some) == {"several": "other-tokens"}
    target = Axolotl().fitted([], trainee)
    target.record(Pick(row=some[0].row, reading=some[0], note={}))
    (note,) = target.notes([])
    assert "in 1 of 1 row" in note  # the empty block of reasoning, which the selection trains on


DATED = "{{ strftime_now('%d %b %Y') }}\n" + CHATML


@pytest.mark.parametrize("destination", ["axolotl", "trl"])
def test_under_a_template_that_shows_the_date_masks_are_compared_all_the_same(tmp_path: Path, destination: str) -> None:
    model = model_folder(tmp_path / "model", DATED)
    rows = [{"messages": turns("a", "[[1], [2]]")}, {"messages": turns("a", "b")}]
    done = export_run(finished_run(tmp_path / "r", rows, "messages", model=str(model)), destination)
    assert any("of 2 rows" in note for note in done.notes) == (destination == "axolotl")
    assert not any("not compared" in note for note in done.notes)


def test_marked_answers_for_axolotl_show_the_selection_s_day(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model", DATED)
    row = {"prompt": "question", "completion": "answer", "label": True}
    done = export_run(finished_run(tmp_path / "r", [row], "kto", model=str(model)), "axolotl")
    assert lines(done.path / "train.jsonl")[0]["prompt"].startswith("26 Jul 2024")


def test_rows_of_other_tokens_than_the_selection_s_are_counted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(Trainee("model", str(model_folder(tmp_path / "model"))))
    read = detect_format([], "messages").read
    for number in range(3):
        conversation = read(Row(number=number, raw={"messages": turns("a", "b")}, where=""))
        assert isinstance(conversation, Conversation)
        ids = rehearsal.render(conversation.messages, ())
        own = [False] * (len(ids) - 3) + [True, True, False]
        rehearsal.compare(conversation, [*ids, 7] if number else ids, own, "TRL")
    assert [note for note in rehearsal.note("TRL") if "of 2 rows: what it trains on there was not compared" in note]


@pytest.mark.parametrize("target", [Trl(), Trl(messages=True), Axolotl()], ids=["pairs", "messages", "axolotl"])
def test_a_system_turn_goes_where_the_selection_puts_it(target: Destination, tmp_path: Path) -> None:
    tokenizer, trainee = model_of(GEMMA, tmp_path / "model")
    (one,) = [one for one in ALL if one.row.where == "system"]
    record = target.fitted([Pick(row=one.row, reading=one, note={})], trainee).record(
        Pick(row=one.row, reading=one, note={})
    )
    said = record.get("messages") or record["prompt"] + record["completion"]
    assert [turn["role"] for turn in said] == ["user", "assistant"]
    ids = tokenizer.apply_chat_template(said, return_dict=False)
    assert ids == encoded([{"messages": list(one.messages)}], "messages", tokenizer)[0][0]


def test_a_row_that_the_template_refuses_is_left_out(tmp_path: Path) -> None:
    _, trainee = model_of(GEMMA, tmp_path / "model")
    some = [one for one in ALL if one.row.where in ("plain", "call")]
    assert exported(Axolotl(), tmp_path / "x", trainee, some) == {"call": "template-refuses"}
