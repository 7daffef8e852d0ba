"""LLaMA-Factory's rules written out once more, from the definition: what it takes is exported, what it skips is not."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spice_select.data.formats import detect_format, detect_reader
from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation, Row
from spice_select.export import LlamaFactory, Pick, export_run
from spice_select.export.llamafactory_layout import dataset_info
from spice_select.export.marked.llamafactory import LlamaFactoryMarked
from spice_select.export.preference.llamafactory import LlamaFactoryPairs
from tests.training.runs import CALL, finished_run, lines, turns

COLUMNS = ["prompt", "query", "response", "history", "messages", "system", "tools", "chosen", "rejected", "kto_tag"]
TAG_NAMES = ["role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag"]


def parsed(info: dict[str, Any]) -> dict[str, Any]:
    """A key left out of "columns" or "tags" is None, not its default."""
    return {name: info["columns"].get(name) for name in COLUMNS} | {name: info["tags"].get(name) for name in TAG_NAMES}


def converted(line: dict[str, Any], info: dict[str, Any]) -> dict[str, Any] | None:
    """The sharegpt converter: the system turn and the others, or None for a row that is skipped."""
    known = parsed(info)
    messages = line[known["messages"]]
    role, content = known["role_tag"], known["content_tag"]
    system = ""
    if known["system_tag"] and messages and messages[0][role] == known["system_tag"]:
        system, messages = messages[0][content], messages[1:]
    sides = ((known["user_tag"], known["observation_tag"]), (known["assistant_tag"], known["function_tag"]))
    if len(messages) % 2 or any(turn[role] not in sides[place % 2] for place, turn in enumerate(messages)):
        return None
    return {"system": system, "said": [turn[content] for turn in messages]}


def turn(role: str) -> dict[str, Any]:
    return CALL["messages"][1] if role == "call" else {"role": role, "content": f"the {role}'s words"}


@given(st.lists(st.sampled_from(["system", "user", "assistant", "tool", "call"]), min_size=1, max_size=7))
@example(["tool", "assistant", "user", "assistant"])
def test_a_row_is_exported_exactly_if_llamafactory_takes_it(roles: list[str]) -> None:
    row = Row(number=0, raw={"messages": [turn(role) for role in roles]}, where="")
    reading = detect_format([], "messages").read(row)
    if not isinstance(reading, Conversation):
        return  # the selection itself drops such rows
    pick = Pick(row=row, reading=reading, note={})
    line = {"messages": [{"role": "function_call" if role == "call" else role, "content": "x"} for role in roles]}
    takes = converted(line, dataset_info(has_tools=False)) is not None
    try:
        record = LlamaFactory().record(pick)
    except RowError:
        assert not takes or reading.untrained, "it takes such rows, and trains on the answers that the row leaves out"
    else:
        assert takes
        assert converted(record, dataset_info(has_tools=False)) is not None


def test_every_key_is_there_so_that_none_becomes_none(tmp_path: Path) -> None:
    raw = {"messages": turns("a", "b", system="s")}
    done = export_run(finished_run(tmp_path / "r", [raw], "messages"), "llamafactory")
    info = dataset_info(has_tools=False)
    assert all(parsed(info)[name] for name in [*TAG_NAMES, "messages"])
    (line,) = lines(done.path / "train.jsonl")
    assert converted(line, info) == {"system": "s", "said": ["a", "b"]}
    without = {**info, "tags": {name: tag for name, tag in info["tags"].items() if name != "system_tag"}}
    assert converted(line, without) is None  # the trap


def test_rows_longer_than_the_cutoff_are_said_to_lose_of_their_prompt(tmp_path: Path) -> None:
    """It shares the length out between prompt and answer (`infer_seqlen`), pairs and marked answers included."""
    question = [{"role": "user", "content": "question"}]
    answers = {name: [{"role": "assistant", "content": name}] for name in ("chosen", "rejected")}
    rows = {
        "messages": {"messages": turns("question", "answer")},
        "preference": {"prompt": question, **answers},
        "kto": {"prompt": "question", "completion": "answer", "label": True},
    }
    for row_format, row in rows.items():
        done = export_run(finished_run(tmp_path / row_format, [row], row_format, max_length=77), "llamafactory")
        assert any("longer than 77 tokens it cuts the prompt too" in step for step in done.steps), row_format
        (cutoff,) = (line for line in (done.path / "train.yaml").read_text().splitlines() if "cutoff_len" in line)
        assert "kept the prompts" in cutoff


@pytest.mark.parametrize(
    "raw",
    [
        {"messages": [{"role": "system", "content": ""}, *turns("q", "a")]},
        {"prompt": [{"role": "system", "content": ""}, turns("q", "a")[0]], "completion": "a", "label": True},
        {"prompt": [{"role": "system", "content": ""}, turns("q", "a")[0]], "chosen": "a", "rejected": "b"},
    ],
)
def test_an_empty_system_turn_is_left_out_as_the_templates_own_would_be_shown(raw: dict[str, Any]) -> None:
    row = Row(number=0, raw=raw, where="")
    other = Row(number=1, raw={**raw, "label": False}, where="")
    reading = detect_reader([row, other] if "label" in raw else [row]).read(row)
    pick = Pick(row=row, reading=reading, note={})
    exports = {"messages": LlamaFactory, "label": LlamaFactoryMarked, "chosen": LlamaFactoryPairs}
    export = next(export for field, export in exports.items() if field in raw)
    with pytest.raises(RowError, match="turn 1 is an empty system turn"):
        export().record(pick)
