"""Rows that fit no format, where it can be told why: cells that are no JSON, rows inside a wrapper."""

import json

import pytest

from spice_select.data.formats import detect_format
from spice_select.data.records import Row
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


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("extra", [{}, {"version": "1"}, {"info": [1, 2]}])
def test_rows_inside_a_wrapper_are_found_and_the_way_out_is_told(tmp_path, name, extra):
    said = message(tmp_path / name, json.dumps({**extra, "data": [{"question": "a", "answer": "b"}]}))
    assert "Its field 'data' holds a list: write that alone to a file (jq -c '.[\"data\"][]')." in said
    assert "Rename" not in said


def test_rows_as_fields_of_one_object_are_told(tmp_path):
    said = message(tmp_path / "a.jsonl", json.dumps({"0": {"question": "a"}, "1": {"question": "b"}}))
    assert "Each of its fields holds an object" in said
