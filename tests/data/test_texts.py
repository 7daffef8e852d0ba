"""What a row says in a line, whatever its format."""

import json

import pytest

from spice_select.data.texts import first_words
from tests.data.cases import chat
from tests.data.marked_cases import LAYOUTS
from tests.data.marked_cases import QUESTION as ASKED
from tests.data.pair_cases import FAMILIES, QUESTION


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pair_is_told_by_its_question(family: str) -> None:
    assert first_words(FAMILIES[family]) == " ".join(QUESTION.split())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_marked_answer_is_told_by_its_question(layout: str) -> None:
    assert first_words(LAYOUTS[layout]) == ASKED


@pytest.mark.parametrize("column", ["messages", "conversations", "conversation", "prompt"])
def test_turns_in_any_shape_of_a_table_tell_of_a_row(column: str) -> None:
    turns = chat(("system", "Be kind."), ("user", "Why [1]?"))
    columns = {name: [turn[name] for turn in turns] for name in turns[0]}
    for value in (turns, json.dumps(turns), columns, [json.dumps(turn) for turn in turns]):
        assert first_words({column: value, "completion": "x"}) == "Why [1]?"
    assert first_words({"prompt": "[1, 2] is what?"}) == "[1, 2] is what?"
    assert first_words({"prompt": "[1, 2]"}) == "[1, 2]"


def test_a_system_turn_tells_of_a_row_only_where_nobody_else_speaks() -> None:
    system, user = chat(("system", "Be kind."), ("user", "Why?"))
    assert first_words({"messages": [system, user]}) == "Why?"
    assert first_words({"messages": [system]}) == "Be kind."
