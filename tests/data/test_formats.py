import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spice_select.data.formats import FORMATS, detect_format
from spice_select.data.formats.alpaca import Alpaca
from spice_select.data.records import Conversation, Drop, Row
from spice_select.errors import InputError


def row(raw, number=0):
    return Row(number, raw, f"file.jsonl:{number + 1}")


def rows(*raws):
    return [row(raw, number) for number, raw in enumerate(raws)]


def read(raw, override=None):
    return detect_format([row(raw)], override).read(row(raw))


def turns(raw, override=None):
    conversation = read(raw, override)
    assert isinstance(conversation, Conversation), conversation
    return [(message["role"], message["content"]) for message in conversation.messages]


QA = [("user", "q"), ("assistant", "a")]
SQA = [("system", "s"), *QA]
QAQA = [*QA, ("user", "r"), ("assistant", "b")]


def chat(*pairs):
    return [{"role": role, "content": content} for role, content in pairs]


def sharegpt(*pairs):
    return [{"from": role, "value": content} for role, content in pairs]


CASES = [
    ("messages", {"messages": chat(*SQA)}, SQA),
    ("messages", {"messages": chat(*QAQA)}, QAQA),
    ("messages", {"conversations": chat(*QA)}, QA),
    ("messages", {"messages": json.dumps(chat(*QA))}, QA),
    ("messages", {"messages": chat(*QA), "system": "s"}, SQA),
    ("messages", {"messages": chat(*SQA), "system": "other"}, SQA),
    ("messages", {"messages": chat(("developer", "s"), *QA)}, SQA),
    ("messages", {"messages": chat(("Human", "q"), ("gpt", "a"))}, QA),
    ("messages", {"messages": chat(("system", ""), *QA)}, [("system", ""), *QA]),
    ("messages", {"messages": chat(*QA), "prompt": "x", "chosen": "y", "rejected": "z"}, QA),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, *chat(QA[1])]}, QA),
    ("sharegpt", {"conversations": sharegpt(("system", "s"), ("human", "q"), ("gpt", "a"))}, SQA),
    ("sharegpt", {"messages": sharegpt(("human", "q"), ("gpt", "a"))}, QA),
    (
        "sharegpt",
        {"conversations": sharegpt(("human", "q"), ("function_call", "f()"), ("observation", "1"), ("gpt", "a"))},
        [("user", "q"), ("assistant", "f()"), ("tool", "1"), ("assistant", "a")],
    ),
    ("alpaca", {"instruction": "q", "input": "", "output": "a"}, QA),
    ("alpaca", {"instruction": "q", "output": "a"}, QA),
    ("alpaca", {"instruction": "q", "input": "i", "output": "a"}, [("user", "q\ni"), ("assistant", "a")]),
    ("alpaca", {"instruction": "", "input": "q", "output": "a", "system": "s"}, SQA),
    ("alpaca", {"instruction": "r", "input": None, "output": "b", "history": [["q", "a"]]}, QAQA),
    ("prompt/completion", {"prompt": "q", "completion": "a"}, QA),
    ("prompt/completion", {"prompt": chat(*SQA[:2]), "completion": chat(QA[1])}, SQA),
    ("prompt/completion", {"prompt": chat(QA[0]), "completion": "a"}, QA),
    ("prompt/response", {"prompt": "q", "response": "a", "system": "s"}, SQA),
    ("question/answer", {"question": "q", "answer": "a"}, QA),
    ("question/answer", {"question": "q", "answer": 4}, [("user", "q"), ("assistant", "4")]),
    ("instruction/response", {"instruction": "q", "response": "a", "context": ""}, QA),
    ("instruction/response", {"instruction": "q", "response": "a", "context": "c"}, [("user", "q\nc"), QA[1]]),
]


@pytest.mark.parametrize(("name", "raw", "expected"), CASES)
def test_each_format_is_detected_and_read(name, raw, expected):
    found = detect_format([row(raw)])
    assert found.name == name
    assert found.describe().startswith(name)
    assert turns(raw) == expected
    assert turns(raw, override=name) == expected


def test_raw_rows_are_left_as_they_are():
    for _, raw, _ in CASES:
        before = json.dumps(raw)
        read(raw)
        assert json.dumps(raw) == before


def test_null_columns_count_as_absent_as_in_tables():
    assert turns({"messages": None, "instruction": None, "output": None, "question": "q", "answer": "a"}) == QA


@pytest.mark.parametrize(
    ("more", "source"),
    [({"source": "math"}, "math"), ({"dataset": "d"}, "d"), ({"source": "s", "dataset": "d"}, "s"),
     ({"source": None, "dataset": "d"}, "d"), ({"source": 3}, ""), ({}, "")],
)  # fmt: skip
def test_the_group_is_the_source_or_the_dataset_column(more, source):
    assert read({"question": "q", "answer": "a", **more}).source == source


def test_tools_and_tool_calls_are_passed_on():
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}, "id": "1"}
    tool = {"type": "function", "function": {"name": "add"}}
    raw = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "1", "tool_call_id": "1", "name": "add"},
            {"role": "assistant", "content": "a", "tool_calls": None},
        ],
        "tools": json.dumps([tool]),
    }
    conversation = read(raw)
    assert conversation.tools == (tool,)
    assert conversation.messages[1] == {"role": "assistant", "content": "", "tool_calls": [call]}
    assert conversation.messages[2] == {"role": "tool", "content": "1", "tool_call_id": "1", "name": "add"}
    assert conversation.messages[3] == {"role": "assistant", "content": "a"}


IMAGE = [{"type": "image_url", "image_url": "x"}, {"type": "text", "text": "q"}]
DROPS = [
    ("empty-turn", {"question": "q", "answer": ""}),
    ("empty-turn", {"question": " \n", "answer": "a"}),
    ("empty-turn", {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None}]}),
    ("empty-turn", {"prompt": [], "completion": "a"}),
    ("unknown-role", {"messages": chat(("narrator", "q"), QA[1])}),
    ("unknown-role", {"conversations": sharegpt(("human", "q"), ("alien", "a"))}),
    ("no-assistant-turn", {"messages": chat(QA[0])}),
    ("no-assistant-turn", {"messages": []}),
    ("consecutive-turns", {"messages": chat(QA[0], QA[0], QA[1])}),
    ("consecutive-turns", {"messages": chat(*QA, QA[1])}),
    ("content-not-text", {"messages": [{"role": "user", "content": IMAGE}, *chat(QA[1])]}),
    ("content-not-text", {"messages": [{"role": "user", "content": {"text": "q"}}, *chat(QA[1])]}),
    ("content-not-text", {"question": "q", "answer": ["a"], "x": 1}),
    ("content-not-text", {"question": "q", "answer": True}),
    ("missing-field", {"messages": [{"role": "user", "content": "q"}, {"content": "a"}]}),
    ("not-a-turn", {"messages": [{"role": "user", "content": "q"}, "a"]}),
    ("broken-history", {"instruction": "q", "output": "a", "history": ["q"]}),
    ("broken-tools", {"messages": chat(*QA), "tools": "not json"}),
    ("not-unicode", {"question": "q", "answer": "half an emoji \ud83d"}),
    ("not-unicode", {"messages": [{**chat(QA[0])[0], "name": "\udfff"}, *chat(QA[1])]}),
    ("not-unicode", {"question": "q", "answer": "a", "source": "\ud800"}),
    ("broken-tool-call", {"messages": [*chat(QA[0]), {"role": "assistant", "content": "", "tool_calls": [1]}]}),
]


@pytest.mark.parametrize(("reason", "raw"), DROPS)
def test_a_faulty_row_is_dropped_with_its_reason(reason, raw):
    if reason == "content-not-text" and "x" in raw:
        drop = read(raw, override="question/answer")
        assert isinstance(drop, Drop)
        return
    drop = read(raw)
    assert isinstance(drop, Drop)
    assert (drop.row, drop.reason) == (0, reason)
    assert drop.detail


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_a_row_without_the_fields_is_dropped_never_raised(known):
    drop = known.read(row({"other": 1}, number=5))
    assert isinstance(drop, Drop)
    assert (drop.row, drop.reason) == (5, "missing-field")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "tool_calls", "text", "type"]), inner)
    ),
    max_leaves=10,
)
FIELDS = ["messages", "conversations", "instruction", "input", "output", "history", "system", "tools", "prompt",
          "completion", "response", "question", "answer", "chosen", "rejected", "context", "source"]  # fmt: skip


@given(raw=st.dictionaries(st.sampled_from(FIELDS), JSON), known=st.sampled_from(FORMATS))
@example(raw={"history": 1}, known=Alpaca())
@settings(max_examples=150, deadline=None)
def test_no_row_whatever_it_holds_raises(raw, known):
    known.matches(raw)
    result = known.read(row(raw))
    assert isinstance(result, Conversation | Drop)
    if isinstance(result, Conversation):
        assert any(message["role"] == "assistant" for message in result.messages)
        assert all(isinstance(message["content"], str) for message in result.messages)


# ---- detection


def test_mixed_formats_name_the_first_row_of_each():
    mixed = rows({"question": "q", "answer": "a"}, {"question": "q", "answer": "a"}, {"prompt": "q", "completion": "a"})
    with pytest.raises(
        InputError,
        match=r"2 different formats.*question/answer first at file.jsonl:1; prompt/completion .*file.jsonl:3",
    ):
        detect_format(mixed)
    assert detect_format(mixed, "question/answer").name == "question/answer"


def test_rows_of_no_format_do_not_hide_the_format_of_the_others():
    some = rows({"note": "x"}, {"question": "q", "answer": "a"})
    assert detect_format(some).name == "question/answer"


def test_unknown_fields_list_the_known_formats():
    with pytest.raises(InputError, match=r"file.jsonl:1: the fields \(text, id\) fit no known format(.|\n)*alpaca"):
        detect_format(rows({"text": "x", "id": 1}))


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(InputError, match=r"format 'mesages': unknown.*Did you mean 'messages'"):
        detect_format([], "mesages")


def test_preference_pairs_are_refused_unless_their_chosen_answers_are_asked_for():
    pair = {"prompt": "q", "chosen": "a", "rejected": "b"}
    with pytest.raises(InputError, match=r"preference pairs.*not supported yet.*'chosen'"):
        detect_format(rows(pair))
    assert turns(pair, override="chosen") == QA
    assert turns({"chosen": chat(*QA), "rejected": chat(*QA)}, override="chosen") == QA
    assert turns({"prompt": chat(QA[0]), "chosen": chat(QA[1]), "rejected": chat(QA[1])}, override="chosen") == QA
    assert turns({"prompt": "q", "chosen": chat(*QA), "rejected": chat(*QA)}, override="chosen") == QA
