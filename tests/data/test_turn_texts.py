"""Turns that stand as text in a cell are read as turns, or the row is dropped: never trained on as text."""

import json

import pytest

from spice_select.data.formats import FORMATS, MARKED, PREFERENCE
from spice_select.data.records import Conversation, Drop, Pair, Row
from tests.data.cases import chat

ASKED, ANSWERED, OTHER = (chat((role, text)) for role, text in (("user", "q"), ("assistant", "a"), ("assistant", "b")))
SHAREGPT = [{"from": "gpt", "value": "a"}]
AS_JSON = {
    "a list": json.dumps(ANSWERED),
    "over several lines": json.dumps(ANSWERED, indent=1),
    "one object": json.dumps(ANSWERED[0]),
    "another spelling, padded": json.dumps([{**SHAREGPT[0], "role": None, "content": None}]),
}
NO_JSON = {
    "as Python prints it": str(ANSWERED),
    "one object as Python prints it": str(ANSWERED[0]),
    "cut off": json.dumps(ANSWERED)[:-3],
    "a field twice": '[{"role": "assistant", "content": "a", "content": "b"}]',
}
TEXTS = {
    "an example, then prose": json.dumps(ANSWERED) + " is a list of messages.",
    "JSON of another kind": '[{"role": "engineer", "name": "Ann"}]',
    "no JSON of another kind": "{'role': 'engineer', 'name': 'Ann'}",
    "an empty list": "[]",
    "a transaction": '{"from": "0xabc", "to": "0xdef", "value": "100"}',
    "edges": '[{"from": "A", "to": "B", "value": 3}]',
    "a person": '{"role": "Software Engineer", "content": "builds"}',
    "a message of the user's": '{"role": "user", "content": "hi"}',
    "Python's object": "{'role': 'admin', 'content': 'x'}",
    "a program": '{ "from": web3.eth.accounts[0], "value": 1 }',
    "a comma too many": '{"role": "x", "content": "y",}',
    "an example in single quotes, then prose": "{'role': 'assistant', 'content': 'x'} is wrong; use {}",
}


def readings(text):
    """One answer's text in every layout that may hold turns, by its reader."""
    yield FORMATS["prompt/completion"], {"prompt": "q", "completion": text}
    yield FORMATS["question/answer"], {"question": json.dumps(ASKED), "answer": text}
    yield FORMATS["chosen"], {"prompt": "q", "chosen": text, "rejected": "b"}
    yield MARKED, {"prompt": "q", "completion": text, "label": True}
    yield PREFERENCE, {"prompt": json.dumps(ASKED, indent=2), "chosen": text, "rejected": "b"}
    yield PREFERENCE, {"question": json.dumps(ASKED[0]), "chosen": text, "rejected": json.dumps(OTHER)}


def answer(found):
    messages = (*found.prompt, *found.chosen) if isinstance(found, Pair) else found.messages
    assert messages[0] == ASKED[0]
    return messages[1:]


@pytest.mark.parametrize("name", AS_JSON)
def test_turns_as_json_text_are_turns_whoever_reads_them(name):
    for reader, raw in readings(AS_JSON[name]):
        found = reader.read(Row(0, raw, "a.csv:2"))
        assert isinstance(found, Conversation | Pair), (raw, found)
        assert answer(found) == tuple(ANSWERED), raw


@pytest.mark.parametrize("name", NO_JSON)
def test_turns_as_text_that_is_no_json_drop_the_row(name):
    for reader, raw in readings(NO_JSON[name]):
        drop = reader.read(Row(0, raw, "a.csv:2"))
        assert isinstance(drop, Drop), raw
        assert (drop.reason, "is no JSON: " in drop.detail, "json.dumps" in drop.detail) == ("not-a-turn", True, True)


@pytest.mark.parametrize("name", TEXTS)
def test_answers_that_only_look_like_turns_are_answers(name):
    for reader, raw in readings(TEXTS[name]):
        assert answer(reader.read(Row(0, raw, "a.csv:2")))[0]["content"] == TEXTS[name]


@pytest.mark.parametrize("text", [NO_JSON["as Python prints it"], NO_JSON["a field twice"], NO_JSON["cut off"]])
def test_a_row_whose_messages_are_no_json_says_so_where_others_can_be_read(text):
    drop = FORMATS["messages"].read(Row(3, {"messages": text}, "a.csv:5"))
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.detail.startswith("the text in 'messages' is no JSON: ")) == ("not-a-turn", True)
