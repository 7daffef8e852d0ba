"""Every format of the table keeps the contract of formats, which refutes those that do not."""

from dataclasses import replace

import pytest

from spice_select.data.formats import FORMATS, described
from spice_select.data.formats.messages import TurnList
from spice_select.data.records import Conversation, Drop, Row
from spice_select.data.settings import DataSettings
from spice_select.testing.format import check_format
from tests.data.cases import CASES, QA, Case, chat, ids


def test_every_entry_of_the_table_has_a_case() -> None:
    assert {case.name for case in CASES} == set(FORMATS.names)


def test_help_names_the_formats_of_the_table() -> None:
    said = DataSettings.model_fields["format"].description or ""
    assert all(name in said for name in FORMATS.names)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_first_row_says_what_the_case_says(case: Case) -> None:
    found = FORMATS[case.name].read(Row(number=0, raw=case.rows[0], where=""))
    assert isinstance(found, Conversation)
    assert tuple((turn["role"], turn["content"]) for turn in found.messages) == case.turns
    assert described(FORMATS[case.name]).startswith(f"{case.name}: ")


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_format_keeps_the_contract(case: Case) -> None:
    check_format(FORMATS[case.name], case.rows)


class Broken(TurnList):
    """The format ``messages`` with one promise broken."""

    def __init__(self, fault: str) -> None:
        super().__init__("messages", "role", "content", "messages")
        self._fault = fault
        if fault == "summary":
            self.summary = "turns"

    def matches(self, raw):
        if self._fault == "anything":
            return True
        return self._fault != "shy" and super().matches(raw)

    def read(self, row):
        raw = row.raw
        if self._fault == "raises":
            raw["messages"][0]["content"].strip()
        if self._fault == "alters":
            raw.pop("source", None)
        found = super().read(row)
        if isinstance(found, Drop):
            return replace(found, detail="") if self._fault == "mute" else found
        if self._fault == "silent":
            return replace(found, unread=())
        if self._fault == "silent of turns":
            return replace(found, unread_of_turns=())
        if self._fault == "early":
            return replace(found, untrained=frozenset())
        if self._fault == "nulls":
            return replace(found, source=str(len(raw)))
        if self._fault == "order":
            return replace(found, source=next(iter(raw)))
        if self._fault == "drops a field":
            return replace(found, source="", unread=tuple(name for name in found.unread if name != "source"))
        return found


def rows():
    return [{"messages": chat(*QA), "source": "x"}, {"messages": chat(("assistant", "hello"), *QA)}]


def test_the_format_that_is_broken_below_is_sound() -> None:
    check_format(Broken(""), rows())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("summary", "its summary names no field"),
        ("anything", "matches a row without fields"),
        ("shy", "does not match"),
        ("raises", "raises (Attribute|Type|Key)Error"),
        ("alters", "alters the row"),
        ("mute", "does not say what is wrong"),
        ("silent", "does not name a field that nobody read"),
        ("silent of turns", "does not name a field of a turn"),
        ("early", "stands before any question"),
        ("nulls", "padded with nulls otherwise"),
        ("order", "fields in another order otherwise"),
        ("drops a field", "makes nothing of the field 'source'"),
    ],
)
def test_a_format_that_breaks_a_promise_is_refuted(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_format(Broken(fault), rows())
