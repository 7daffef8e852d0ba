"""Rows that fit no format, where it can be told why: cells that are no JSON, rows inside a wrapper."""

import json

import pytest

from spice_select.data.formats import detect_format, detect_reader
from spice_select.data.records import Conversation, Drop, Row
from spice_select.data.sources import read_rows
from spice_select.errors import InputError

TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "it's me"}]


def message(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        detect_format(read_rows(path))
    return str(caught.value)


def cell(text):
    return '"' + text.replace('"', '""') + '"'


@pytest.mark.parametrize("column", ["messages", "conversations", "anything"])
@pytest.mark.parametrize("text", [str(TURNS), "\n ".join(map(str, TURNS)).join("[]"), str({"turns": TURNS})])
def test_a_cell_as_python_prints_it_is_named_for_what_it_is(tmp_path, column, text):
    said = message(tmp_path / "a.csv", f"{column}\n{cell(text)}\n")
    assert (
        f"a.csv:2: the fields ({column}) fit no known format. The text in {column!r} is no JSON: strings stand in"
        in said
    )
    assert "json.dumps" in said
    assert "Rename" not in said


def test_a_cell_of_broken_json_says_where_it_breaks(tmp_path):
    said = message(tmp_path / "a.csv", f"messages\n{cell(json.dumps(TURNS)[:-2])}\n")
    assert "The text in 'messages' is no JSON: Expecting" in said
    assert "column" in said


def test_text_that_only_begins_with_a_bracket_is_not_taken_for_json():
    with pytest.raises(InputError, match="Rename them"):
        detect_format([Row(0, {"text": "[INST] {hello} [/INST]"}, "a.jsonl:1")])


@pytest.mark.parametrize(
    ("header", "found"),
    [("instruction, input, output", "alpaca: instruction, input, output"), ("Question,ANSWER", "question/answer")],
)
def test_names_that_differ_by_capitals_and_spaces_alone_are_told(tmp_path, header, found):
    said = message(tmp_path / "a.csv", f"{header}\n{','.join('x' for _ in header.split(','))}\n")
    assert f"In small letters, without spaces around them, they are those of {found}" in said
    assert "Rename" not in said


TRANSLATE = {"instruction": "Translate to French", "input": "dog", "target": "chien"}
CODED = {"instruction": "Write it in C", "text": "Add two numbers", "code": "int add(…"}


@pytest.mark.parametrize(("raw", "asks", "name"), [(TRANSLATE, "input", "input/target"), (CODED, "text", "text/code")])
def test_an_instruction_beside_a_format_that_would_miss_it_is_named(raw, asks, name):
    with pytest.raises(InputError, match=f"Both 'instruction' and '{asks}' ask something, and {name} reads"):
        detect_format([Row(0, raw, "a.jsonl:1")])
    found = detect_format([Row(0, raw, "a.jsonl:1")], name).read(Row(0, raw, "a.jsonl:1"))
    assert isinstance(found, Drop)
    assert found.reason == "conflicting-fields"
    assert "alpaca" in found.detail
    for empty in (None, "", " ", float("nan")):
        rows = [Row(0, {**raw, "instruction": empty}, "a.jsonl:1")]
        assert detect_format(rows).name == name
        assert isinstance(detect_format(rows).read(rows[0]), Conversation)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("extra", [{}, {"version": "1"}, {"info": [1, 2]}])
def test_rows_inside_a_wrapper_are_found_and_the_way_out_is_told(tmp_path, name, extra):
    said = message(tmp_path / name, json.dumps({**extra, "data": [{"question": "a", "answer": "b"}]}))
    assert "Its field 'data' holds a list of objects. If they are rows, write them alone" in said
    assert "(jq -c '.[\"data\"][]'); if they are turns, " in said
    assert "Rename" not in said


def test_rows_as_fields_of_one_object_are_told(tmp_path):
    said = message(tmp_path / "a.jsonl", json.dumps({"0": {"question": "a"}, "1": {"question": "b"}}))
    assert "Each of its fields holds an object. If they are rows, write them alone" in said


ROWS = [
    {"messages": TURNS, "tags": ["a", "b"]},
    {"messages": [{"speaker": "user", "text": "hi"}]},
    {"conversations": TURNS, "tools": [{"name": "f"}]},
    {"instruction": "a", "output": "b", "history": [["c", "d"]]},
    {"question": "a", "choices": ["b", "c"], "answer": 0},
]


@pytest.mark.parametrize("row", ROWS)
def test_one_row_over_several_lines_is_not_told_to_be_taken_apart(tmp_path, row):
    said = message(tmp_path / "a.json", json.dumps(row, indent=1))
    assert "not a JSON array of rows. If it is one row, write it on one line (jq -c .); if it holds none" in said
    assert said.count("jq") == 1


@pytest.mark.parametrize(
    "row",
    [
        {"dialog": TURNS},
        {"contents": TURNS, "id": 1},
        {"prompt": TURNS[:1], "completion": TURNS[1:]},
        {"prompt": TURNS[0], "completion": TURNS[1]},
    ],
)
def test_what_may_be_turns_is_said_to_be_one_row_then(tmp_path, row):
    said = message(tmp_path / "a.json", json.dumps(row, indent=1))
    assert "if they are turns, the file is one row: write it on one line (jq -c .)." in said
    if "prompt" not in row:
        said = message(tmp_path / "a.jsonl", json.dumps(row))
        assert "if they are turns, rename them to one of these:\n  messages:" in said


@pytest.mark.parametrize("turn", [TURNS[0], {"from": "human", "value": "hi", "id": 1}])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_rows_that_are_turns_are_told(tmp_path, name, turn):
    said = message(tmp_path / name, f"[{json.dumps(turn)}]" if name == "a.json" else json.dumps(turn) + "\n")
    assert "Each row is one turn: put the turns of a conversation in one row" in said
    assert "Rename" not in said


def test_lists_of_turns_that_stand_for_rows_are_told(tmp_path):
    assert "name them (jq -c '{messages: .}')" in message(
        tmp_path / "a.jsonl", json.dumps(TURNS[0]) + f"\n{json.dumps(TURNS)}"
    )
    assert "(jq -c .[] FILE | jq -c '{messages: .}')" in message(tmp_path / "a.json", json.dumps([TURNS, TURNS]))
    assert "jq" not in message(tmp_path / "b.json", "[[1, 2]]")


def test_turns_under_other_names_are_to_be_renamed_not_made_rows(tmp_path):
    said = message(tmp_path / "a.jsonl", json.dumps({"messages": [{"speaker": "user", "text": "hi"}]}))
    assert "fit no known format. Rename them to one of these:" in said
    assert "jq" not in said


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "table",
    [
        {"prompt": ["a", "b"], "completion": ["c", "d"]},
        {"messages": [TURNS, TURNS], "source": ["x", "y"]},
        {"chosen": ["a"], "rejected": ["b"]},
        {"prompt": {"0": "a", "1": "b"}, "completion": {"0": "c", "1": "d"}},
    ],
)
def test_a_table_by_columns_is_told_whatever_its_columns_are_called(tmp_path, name, table):
    said = message(tmp_path / name, json.dumps(table))
    assert "as columns of a table do: write one object a row" in said
    path = tmp_path / name
    for detect in (detect_reader, lambda rows: detect_format(rows, "prompt/completion")):
        with pytest.raises(InputError, match="are those of no single row"):
            detect(read_rows(path))
