"""What a row says in a line, whatever its format."""

import pytest

from spice_select.data.texts import first_words
from tests.data.cases import chat
from tests.data.marked_cases import LAYOUTS
from tests.data.marked_cases import QUESTION as ASKED
from tests.data.pair_cases import FAMILIES, QUESTION


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "text of a table"])
def test_a_pair_is_told_by_its_question(family: str) -> None:
    assert first_words(FAMILIES[family]) == " ".join(QUESTION.split())


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "text of a table"])
def test_a_marked_answer_is_told_by_its_question(layout: str) -> None:
    assert first_words(LAYOUTS[layout]) == ASKED


def test_a_system_turn_tells_of_a_row_only_where_nobody_else_speaks() -> None:
    system, user = chat(("system", "Be kind."), ("user", "Why?"))
    assert first_words({"messages": [system, user]}) == "Why?"
    assert first_words({"messages": [system]}) == "Be kind."
