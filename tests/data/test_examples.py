import json
import re
from collections import Counter
from pathlib import Path

import pytest

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.sources import read_rows
from spice_select.testing.tokenizers import tiny_tokenizer

FILE = Path(__file__).parents[2] / "examples" / "instructions.jsonl"
ROWS = read_rows(FILE)
BY_ID = {row.raw["id"]: row.raw for row in ROWS}


def test_every_example_row_can_be_encoded():
    encoded = encode_rows(ROWS, detect_format(ROWS), Encoder(tiny_tokenizer()))
    assert len(encoded.examples) == len(ROWS) == 300
    assert encoded.drops == []
    assert {example.source for example in encoded.examples} == {"math", "code", "general", "dialogue"}


def test_ids_are_unique_and_no_row_is_there_twice():
    assert len(BY_ID) == len(ROWS)
    assert len({json.dumps(row.raw["messages"]) for row in ROWS}) == len(ROWS)


def test_planted_rows_are_marked_and_name_an_unplanted_row_of_their_group():
    planted = [row.raw for row in ROWS if "planted" in row.raw]
    assert Counter(raw["planted"] for raw in planted) == {"near-duplicate": 20, "contradiction": 15}
    for raw in planted:
        assert "planted" not in BY_ID[raw["of"]]
        assert BY_ID[raw["of"]]["source"] == raw["source"]
        assert BY_ID[raw["of"]]["messages"] != raw["messages"]


def test_contradictions_ask_what_the_original_asks_and_answer_otherwise():
    for raw in (row.raw for row in ROWS if row.raw.get("planted") == "contradiction"):
        original = BY_ID[raw["of"]]["messages"]
        assert raw["messages"][0] == original[0]
        assert raw["messages"][1] != original[1]


PYTHON = [
    (row.raw["id"], block)
    for row in ROWS
    if row.raw["source"] == "code"
    for block in re.findall(r"```python\n(.*?)```", row.raw["messages"][-1]["content"], re.DOTALL)
]


@pytest.mark.parametrize(("name", "block"), PYTHON, ids=[name for name, _ in PYTHON])
def test_python_in_the_examples_runs(name, block):
    exec(compile(block, name, "exec"), {"__name__": name})
