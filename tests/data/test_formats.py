import json
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spice_select.data.formats import FORMATS, PREFERENCE, described, detect_format, detect_reader
from spice_select.data.formats.alpaca import Alpaca
from spice_select.data.records import Conversation, Drop, Row
from spice_select.errors import InputError
from tests.data.spellings import CONVERSATIONS, plain_row


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
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, *chat(QA[1])]}, QA),
    ("sharegpt", {"conversations": sharegpt(("system", "s"), ("human", "q"), ("gpt", "a"))}, SQA),
    ("sharegpt", {"messages": sharegpt(("human", "q"), ("gpt", "a"))}, QA),
    ("messages", {"messages": chat(*QA), "system_prompt": "s", "system": ""}, SQA),
    ("messages", {"messages": [{"role": "user", "parts": [{"text": "q"}]}, *chat(QA[1])]}, QA),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "q"}]}, *chat(QA[1])]}, QA),
    (
        "messages",
        {
            "messages": [
                *chat(QA[0]),
                {"role": "model", "content": [{"type": "output_text", "text": "a"}, {"text": "b"}]},
            ]
        },
        [QA[0], ("assistant", "ab")],
    ),
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
    ("alpaca", {"instruction": "q", "input": float("nan"), "output": "a", "history": "[]"}, QA),
    ("alpaca", {"instruction": "r", "output": "b", "history": json.dumps([["q", "a"]]), "system_prompt": None}, QAQA),
    ("prompt/completion", {"prompt": "q", "completion": "a"}, QA),
    ("prompt/completion", {"prompt": chat(*SQA[:2]), "completion": "a", "system": "other"}, SQA),
    ("prompt/completion", {"prompt": chat(*SQA[:2]), "completion": chat(QA[1])}, SQA),
    ("prompt/completion", {"prompt": chat(QA[0]), "completion": "a"}, QA),
    ("prompt/response", {"prompt": "q", "response": "a", "system": "s"}, SQA),
    ("question/answer", {"question": "q", "answer": "a"}, QA),
    ("question/answer", {"question": "q", "answer": 4}, [("user", "q"), ("assistant", "4")]),
    ("question/answer", {"question": "q", "answer": 4.0}, [("user", "q"), ("assistant", "4")]),
    ("question/answer", {"question": "q", "answer": 0.1}, [("user", "q"), ("assistant", "0.1")]),
    ("question/answer", {"question": "q", "context": "c", "answer": "a"}, [("user", "q\nc"), QA[1]]),
    ("instruction/response", {"instruction": "q", "response": "a", "input": "i"}, [("user", "q\ni"), QA[1]]),
    ("instruction/response", {"instruction": "q", "response": "a", "context": ""}, QA),
    ("instruction/response", {"instruction": "q", "response": "a", "context": "c"}, [("user", "q\nc"), QA[1]]),
]


@pytest.mark.parametrize(("name", "raw", "expected"), CASES)
def test_each_format_is_detected_and_read(name, raw, expected):
    found = detect_format([row(raw)])
    assert found.name == name
    assert described(found).startswith(f"{name}: ")
    assert turns(raw) == expected
    assert turns(raw, override=name) == expected


def test_raw_rows_are_left_as_they_are():
    for _, raw, _ in CASES:
        before = json.dumps(raw)
        read(raw)
        assert json.dumps(raw) == before


def test_null_columns_count_as_absent_as_in_tables():
    assert turns({"messages": None, "instruction": None, "output": None, "question": "q", "answer": "a"}) == QA


def test_null_padding_does_not_decide_how_turns_name_their_fields():
    nothing = {"role": None, "content": None}
    padded = {"conversations": [{**nothing, **turn} for turn in sharegpt(("human", "q"), ("gpt", "a"))]}
    other = {"conversations": [{**turn, "from": None, "value": None} for turn in chat(*QA)]}
    assert detect_format([row(padded)]).name == "sharegpt"
    assert turns(padded) == turns(other) == QA
    with pytest.raises(InputError, match=r"2 different formats: messages first .*; sharegpt first"):
        detect_format(rows(other, padded))


def in_columns(turns, **more):
    """The turns as `datasets` stores a `Sequence` of objects: an object of lists."""
    return {name: [turn[name] for turn in turns] for name in turns[0]} | more


SAID, ANSWERED = sharegpt(("human", "q"), ("gpt", "a")), chat(QA[1])
TABLES = [
    {"messages": in_columns(chat(*QA))},
    {"messages": in_columns(chat(*QA), name=None, tool_calls=[None, None])},
    {"conversations": in_columns(SAID)},
    {"messages": json.dumps(in_columns(chat(*QA)))},
    {"messages": [json.dumps(turn) for turn in chat(*QA)]},
    {"conversations": json.dumps(json.dumps(SAID))},
    {"prompt": in_columns(chat(QA[0])), "completion": in_columns(ANSWERED)},
    {"prompt": "q", "completion": [json.dumps(turn) for turn in ANSWERED]},
    {"prompt": json.dumps(json.dumps(chat(QA[0]))), "completion": "a"},
]


@pytest.mark.parametrize("raw", TABLES, ids=str)
def test_turns_in_the_other_ways_that_tables_have_for_them(raw):
    found = detect_format(rows(raw, raw)).read(row(raw))
    assert isinstance(found, Conversation), found
    assert [(turn["role"], turn["content"]) for turn in found.messages] == QA
    assert found.unread == found.unread_of_turns == ()


@pytest.mark.parametrize(
    "answer", ['["a", "b"]', '"[1, 2]"', '{"role": ["user"], "content": ["x"]}', '"[said the fox"', ["a", "b"]]
)
def test_other_lists_and_quoted_texts_are_no_turns(answer):
    found = read({"prompt": "q", "completion": answer})
    assert isinstance(found, Drop) if isinstance(answer, list) else found.messages[-1]["content"] == answer


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (
            {"type": "text", "content": "q"},
            "turn 1 holds a part of type 'text' without a string in 'text': it has content",
        ),
        ({"type": "text", "text": {"value": "q"}}, "without a string in 'text': it has text"),
        ({"type": "text", "text": None}, "it has nothing"),
        ({"type": "image_url", "image_url": {"url": "x"}}, "a part of type 'image_url'; only text can be used"),
        ({"type": "text", "text": "q", "image": "x"}, "a part of type 'text'; only text"),
    ],
)
def test_a_part_without_its_text_is_told_from_one_of_another_kind(part, words):
    drop = read({"messages": [{"role": "user", "content": [part]}, *chat(QA[1])]})
    assert (drop.reason, words in drop.detail) == ("content-not-text", True), drop.detail


def test_text_that_is_json_of_parts_is_read_as_text_and_noted():
    parts = [{"type": "text", "text": "q"}, {"type": "image_url", "image_url": {"url": "x"}}]
    for count in (1, 2):
        found = read({"messages": [*chat(("user", json.dumps(parts[:count]))), *chat(QA[1])]})
        assert (found.messages[0]["content"], found.remarks) == (json.dumps(parts[:count]), ("parts-in-text",))
    for text in ('[{"type": "button"}]', '[{"text": "q"}]', '[{"type": "text"', '[{"type": ["text"]}]', "[]", "[1]"):
        assert read({"messages": chat(("user", text), QA[1])}).remarks == ()
    tools = [*chat(QA[0]), CALLED, {"role": "tool", "content": json.dumps(parts)}, *chat(QA[1])]
    assert read({"messages": tools}).remarks == ()


def test_a_list_of_texts_in_a_column_is_called_so():
    for raw in ({"question": "q", "answer": ["a", "b"]}, {"question": ["q"], "answer": "a"}):
        drop = read(raw)
        assert (drop.reason, "holds a list of texts" in drop.detail) == ("not-a-turn", True)


def test_a_column_that_holds_parts_is_called_so():
    drop = read({"messages": chat(*QA), "system": [{"role": "system", "content": "s"}]})
    assert drop.detail.startswith("a column of the row holds a part of type '?'")


def test_an_empty_list_of_turns_says_nothing_where_the_row_has_other_fields():
    assert turns({"messages": [], "prompt": "q", "completion": "a"}) == QA
    assert turns({"messages": "[]", "prompt": "q", "completion": "a"}) == QA
    assert turns({"messages": [], "conversations": sharegpt(("human", "q"), ("gpt", "a"))}) == QA
    assert turns({"messages": [], "conversation": chat(*QA)}) == QA


@pytest.mark.parametrize(
    ("more", "source"),
    [({"source": "math"}, "math"), ({"dataset": "d"}, "d"), ({"source": "s", "dataset": "d"}, "s"),
     ({"source": None, "dataset": "d"}, "d"), ({"source": 3}, "3"), ({"source": True}, ""), ({}, "")],
)  # fmt: skip
def test_the_group_is_the_source_or_the_dataset_column(more, source):
    assert read({"question": "q", "answer": "a", **more}).source == source


TOLD = "\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant:"


@pytest.mark.parametrize(
    "raw",
    [
        {"prompt": TOLD, "chosen": " b", "rejected": " c"},
        {"chosen": f"{TOLD} b", "rejected": f"{TOLD} c"},
        {"prompt": "", "chosen": f"{TOLD} b", "rejected": f"{TOLD} c"},
    ],
)
def test_transcripts_are_the_same_turns_to_the_chosen_answers_as_to_pairs(raw):
    found = read(raw, override="chosen")
    assert isinstance(found, Conversation), found
    assert [(turn["role"], turn["content"]) for turn in found.messages] == QAQA
    assert found.unread == ("rejected",)
    pair = detect_reader([row(raw)]).read(row(raw))
    assert (*pair.prompt, *pair.chosen) == found.messages


@pytest.mark.parametrize("value", [3.5, ["math"], {"name": "math"}, True])
def test_what_names_no_group_is_named_as_not_read(value):
    found = read({"question": "q", "answer": "a", "source": value, "dataset": "d"})
    assert (found.source, found.unread) == ("d", ("source",))


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


CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL]}


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": '{"a": 1}'}},
        {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": '"{\\"a\\": 1}"'}}]},
        {"role": "assistant", "content": "", "tool_calls": json.dumps([{"name": "add", "parameters": {"a": 1}}])},
        {"role": "assistant", "tool_calls": {"name": "add", "arguments": {"a": 1, "b": None, "c": float("nan")}}},
        {"role": "assistant", "tool_calls": [CALL, None, {"id": None, "function": {"name": None}}]},
        {"role": "assistant", "tool_calls": [CALL], "function_call": {"name": "add", "arguments": '{"a":1}'}},
        {"role": "function_call", "content": '{"name": "add", "arguments": {"a": 1}}'},
        {"role": "tool_call", "content": '[{"name": "add", "arguments": "{\\"a\\": 1}"}]'},
    ],
)
def test_calls_in_any_spelling_are_tool_calls_with_objects(turn):
    conversation = read({"messages": [*chat(QA[0]), turn]})
    assert isinstance(conversation, Conversation), conversation
    assert conversation.messages[1] == CALLED


@pytest.mark.parametrize("arguments", [None, "", "null", " null ", '"null"', {}, "{}"])
def test_a_call_without_arguments_is_one_however_that_is_written(arguments):
    called = read({"messages": [*chat(QA[0]), {**CALLED, "tool_calls": [{"name": "now", "arguments": arguments}]}]})
    assert called.messages[1]["tool_calls"][0]["function"] == {"name": "now", "arguments": {}}


@pytest.mark.parametrize("text", ['<tool_call>{"name": "add"}</tool_call>', "Wait. [TOOL_CALLS] [{}]"])
def test_calls_in_the_text_beside_those_in_a_field_are_noted(text):
    both = {**CALLED, "content": text}
    assert read({"messages": [*chat(QA[0]), both]}).remarks == ("calls-in-text",)
    assert read({"messages": [*chat(QA[0]), {**both, "tool_calls": None}]}).remarks == ()
    assert read({"messages": [*chat(QA[0]), {**CALLED, "content": "I call a tool."}]}).remarks == ()


@pytest.mark.parametrize(
    "raw",
    [
        {"prompt": "What is one plus two?", "completion": "What is one plus two? Three."},
        {
            "messages": chat(
                QA[0], QA[1], ("user", " What is one plus two?\n"), ("assistant", "What is one plus two? 3")
            )
        },
        {"prompt": "What is one plus two?", "chosen": "What is one plus two? 3", "rejected": "What is one plus two? 4"},
    ],
)
def test_an_answer_that_holds_the_question_too_is_noted(raw):
    found = (PREFERENCE if "chosen" in raw else detect_format([row(raw)])).read(row(raw))
    assert found.remarks == ("question-in-answer",)
    assert read({"prompt": "What is one plus two?", "completion": "What is one plus three is four."}).remarks == ()
    assert read({"prompt": "One?", "completion": "One? Yes."}).remarks == ()


def test_calls_that_follow_an_answer_in_turns_of_their_own_are_part_of_it():
    one, two = ('{"name": "add", "arguments": {"a": 1}}', '{"name": "sub", "arguments": {}}')
    talk = chat(QA[0], ("assistant", "wait"), ("tool_call", one), ("tool_call", two), ("tool_response", "2"), QA[1])
    messages = read({"messages": talk}).messages
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[1]["content"] == "wait"
    assert [call["function"]["name"] for call in messages[1]["tool_calls"]] == ["add", "sub"]


def test_a_null_that_the_schema_allows_or_that_came_as_text_is_the_authors():
    schema = {"type": "object", "properties": {"a": {"type": ["integer", "null"]}, "b": {"type": "integer"}}}
    tools = [{"name": "add", "parameters": schema}]
    for written, expected in [({"a": None, "b": None}, {"a": None}), ('{"b": null}', {"b": None})]:
        turn = {"role": "assistant", "tool_calls": [{"name": "add", "arguments": written}]}
        conversation = read({"messages": [*chat(QA[0]), turn], "tools": tools})
        assert conversation.messages[1]["tool_calls"][0]["function"]["arguments"] == expected
        assert conversation.remarks == (("null-arguments",) if isinstance(written, dict) else ())


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "tool_call", "content": '{"name": "add", "arguments": {"a": 1, "b": null}}'},
        {"role": "assistant", "tool_calls": '[{"name": "add", "arguments": {"a": 1, "b": null}}]'},
        {"role": "assistant", "tool_calls": ['{"name": "add", "arguments": {"a": 1, "b": null}}']},
    ],
)
def test_a_null_in_a_call_that_is_json_text_itself_is_the_authors(turn):
    conversation = read({"messages": [*chat(QA[0]), turn]})
    assert conversation.messages[1]["tool_calls"][0]["function"]["arguments"] == {"a": 1, "b": None}
    assert conversation.remarks == ()


def test_a_null_that_stays_is_not_said_to_be_left_out():
    tools = [{"name": "add", "parameters": {"properties": {"a": {"items": {"properties": {"b": {"type": "null"}}}}}}}]
    for written, remarks in [({"a": [{"b": None}]}, ()), ({"a": [{"c": None}]}, ("null-arguments",))]:
        turn = {"role": "assistant", "tool_calls": [{"name": "add", "arguments": written}]}
        assert read({"messages": [*chat(QA[0]), turn], "tools": tools}).remarks == remarks


def test_a_null_that_the_schema_requires_is_the_authors():
    properties = {"a": {"type": "integer"}, "b": {"type": "object", "required": ["c"]}}
    tools = [{"name": "add", "parameters": {"properties": properties, "required": ["a"]}}]
    for written, expected, remarks in [
        ({"a": None}, {"a": None}, ()),
        ({"a": None, "b": {"c": None, "d": None}}, {"a": None, "b": {"c": None}}, ("null-arguments",)),
    ]:
        turn = {"role": "assistant", "tool_calls": [{"name": "add", "arguments": written}]}
        conversation = read({"messages": [*chat(QA[0]), turn], "tools": tools})
        assert conversation.messages[1]["tool_calls"][0]["function"]["arguments"] == expected
        assert conversation.remarks == remarks


@pytest.mark.parametrize("between", ["\n", "", " ,\n", "\n\n"])
def test_calls_one_after_another_in_a_turn_of_calls_are_all_read(between):
    calls = ['{"name": "add", "arguments": {"a": 1, "b": null}}', '{"name": "sub", "arguments": "{}"}']
    turns = sharegpt(("human", "q"), ("function_call", between.join(calls) + "\n"))
    shown = [call["function"] for call in read({"conversations": turns}).messages[1]["tool_calls"]]
    assert shown == [{"name": "add", "arguments": {"a": 1, "b": None}}, {"name": "sub", "arguments": {}}]


@pytest.mark.parametrize(
    ("rest", "cause"),
    [
        (" and more", "Extra data"),
        (",", "Extra data"),
        ("; {}", "Extra data"),
        ("[]", "Extra data"),
        ('\n{"name": "f", "arguments": {"x": NaN}}', "NaN is no JSON"),
        ('\n{"name": "f"', "delimiter"),
        ('\n{"what": 1}', "no function with a name"),
    ],
)
def test_what_follows_a_call_and_is_none_drops_the_row(rest, cause):
    drop = read({"conversations": sharegpt(("human", "q"), ("function_call", '{"name": "f"}' + rest))})
    assert (type(drop), drop.reason) == (Drop, "broken-tool-call")
    assert cause in drop.detail


@pytest.mark.parametrize(
    ("value", "source", "unread"),
    [("a", "a", ()), (3, "3", ()), (3.0, "3", ()), (0.5, "d", ("source",)), (["a"], "d", ("source",)), ("", "d", ())],
)
def test_a_source_is_a_text_or_a_whole_number_and_any_other_value_is_named(value, source, unread):
    found = read({"question": "q", "answer": "a", "source": value, "dataset": "d"})
    assert found.source == source
    assert tuple(name for name in found.unread if name == "source") == unread


NULL_DEFAULT = {"name": "add", "parameters": {"properties": {"a": {"type": "integer", "default": None}}}}


def test_a_default_of_null_is_named_where_it_is_taken_for_padding_and_kept_in_json_text():
    system = {"role": "system", "content": "s", "tools": [NULL_DEFAULT]}
    for raw in ({"messages": chat(*QA), "tools": [NULL_DEFAULT]}, {"messages": [system, *chat(*QA)]}):
        found = read(raw)
        assert (found.remarks, "default" in json.dumps(found.tools)) == (("null-defaults",), False)
    exact = read({"messages": chat(*QA), "tools": json.dumps([NULL_DEFAULT])})
    assert (exact.remarks, exact.tools[0]["function"]) == ((), NULL_DEFAULT)
    padded = {"name": "add", "strict": None, "parameters": {"properties": {"a": {"enum": None}}}}
    assert read({"messages": chat(*QA), "tools": [padded]}).remarks == ()


@pytest.mark.parametrize("given", ["NaN", "Infinity", "1e400", "[-1e999]"])
def test_numbers_that_no_json_holds_drop_the_row_in_calls_and_in_tools(given):
    value = json.loads(given)
    name = '"name": "add"'
    calls = [
        {"tool_calls": [{"name": "add", "arguments": f'{{"x": {given}}}'}]},
        {"tool_calls": f'[{{{name}, "arguments": {{"x": {given}}}}}]'},
        {"role": "function_call", "content": f'{{{name}, "arguments": {{"x": {given}}}}}'},
        *([{"tool_calls": [{"name": "add", "arguments": {"x": value}}]}] if given != "NaN" else []),
    ]
    for call in calls:
        drop = read({"messages": [*chat(QA[0]), {"role": "assistant", "content": "", **call}]})
        assert (type(drop), drop.reason) == (Drop, "broken-tool-call"), call
    tools = [f'[{{{name}, "default": {given}}}]', *([[{"name": "add", "default": value}]] if given != "NaN" else [])]
    for one in tools:
        assert read({"messages": chat(*QA), "tools": one}).reason == "broken-tools", one


def test_calls_written_as_text_are_answers_and_objects_that_are_no_json_are_none():
    for text in ("f()", "[f(x=1)]", "<think>hm</think>f()"):
        assert turns({"messages": [*chat(QA[0]), {"role": "tool_call", "content": text}]})[1][1] == text


@pytest.mark.parametrize("field", ["tools", "functions", "tool_defs"])
@pytest.mark.parametrize("as_text", [str, list, "each"])
def test_tools_in_any_spelling_are_enveloped_functions(field, as_text):
    bare = {"name": "add", "parameters": {"properties": {"a": {"type": "integer"}}}}
    value = {str: json.dumps([bare]), list: [{**bare, "strict": None}], "each": [json.dumps(bare)]}[as_text]
    conversation = read({"messages": chat(*QA), field: value, "tools" if field != "tools" else "functions": None})
    assert conversation.tools == ({"type": "function", "function": bare},)
    assert conversation.unread == ()


def test_tools_on_a_system_turn_are_the_rows():
    talk = [{"role": "system", "content": "s", "functions": '[{"name": "add"}]'}, *chat(*QA)]
    assert read({"messages": talk}).tools == ({"type": "function", "function": {"name": "add"}},)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize("value", ["hm", [{"type": "text", "text": "hm"}]])
def test_reasoning_in_any_spelling_is_one_field(field, value):
    given = read({"messages": [*chat(QA[0]), {**chat(QA[1])[0], field: value, "other": None}]})
    assert given.messages[1] == {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    assert given.unread_of_turns == ()


def test_reasoning_in_a_part_of_its_own_is_the_same():
    parts = [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "a"}]
    given = read({"messages": [*chat(QA[0]), {"role": "assistant", "content": parts}]})
    assert given.messages[1] == {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    assert given.unread_of_turns == ("content.signature",)


def test_a_part_that_is_marked_as_a_thought_is_reasoning():
    parts = [{"text": "hm", "thought": True}, {"text": "a", "thought": False}]
    given = read({"messages": [{"role": "user", "parts": [{"text": "q"}]}, {"role": "model", "parts": parts}]})
    assert given.messages[1] == {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    assert given.unread_of_turns == ()


@pytest.mark.parametrize("column", ["reasoning_content", "thinking"])
@pytest.mark.parametrize(
    "raw",
    [
        {"question": "q", "answer": "a"},
        {"instruction": "q", "output": "a"},
        {"question": "q", "choices": ["a", "b"], "answer": 0},
    ],
)
def test_reasoning_in_a_column_is_the_answers(raw, column):
    assert read({**raw, column: "hm"}).messages[1]["reasoning_content"] == "hm"
    assert read({**raw, column: None, "reasoning": "hm"}).unread == ("reasoning",)


def test_a_column_that_is_called_functions_and_holds_none_is_left_unread():
    for value in ("def f(): ...", ["f"]):
        assert read({"question": "q", "answer": "a", "functions": value}).unread == ("functions",)


@given(them=st.lists(CONVERSATIONS, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_rows_that_were_a_table_give_the_same_conversations(them):
    originals = [plain_row([replace(one, calls=texts_only(one.calls)) for one in answers]) for answers in them]
    table = pa.Table.from_pylist(originals)
    for original, padded in zip(originals, table.to_pylist(), strict=True):
        one, other = read(original), read(padded)
        assert isinstance(one, Conversation), one
        assert (one.messages, one.untrained, one.unread) == (other.messages, other.untrained, other.unread)


def texts_only(calls):
    """The calls with arguments that a column of one type can hold."""
    return tuple((name, {key: str(value) for key, value in values.items()}) for name, values in calls)


# ---- what is learnt

LEFT_OUT = [
    {"weight": 0}, {"weight": 0.0}, {"weight": "0"}, {"train": False}, {"training": False}, {"loss": False},
    {"loss": 0}, {"loss_scale": 0.0}, {"loss_weight": 0}, {"trainable": False},
    {"masked": True}, {"mask": 1}, {"train": "false"}, {"weight": "false"}, {"weight": Decimal(0)},
    {"train": Decimal("0.0")}, {"mask": Decimal(1)}, {"step_loss_mask": 0}, {"no_loss": True}, {"is_masked": 1},
    {"calculate_loss": False},
]  # fmt: skip


@pytest.mark.parametrize("mark", LEFT_OUT)
@pytest.mark.parametrize("make", [chat, sharegpt])
def test_an_answer_out_of_the_loss_is_read_and_not_learnt(mark, make):
    one, two, three, four = make(*QAQA)
    assert read({"conversations": [one, {**two, **mark}, three, four]}).untrained == {1}
    assert read({"conversations": [{**one, **mark}, two, three, {**four, **mark}]}).untrained == {3}
    drop = read({"conversations": [one, {**two, **mark}]})
    assert (drop.reason, drop.row) == ("no-trained-turn", 0)


ROW_MARKS = [mark for mark in LEFT_OUT if not {*mark} & {"step_loss_mask", "no_loss", "is_masked", "calculate_loss"}]


@pytest.mark.parametrize("mark", [*ROW_MARKS, {"training": 0}, {"mask": True}, {"mask": "true"}, {"ignore_loss": 1}])
def test_a_row_out_of_the_loss_is_dropped(mark):
    assert read({"instruction": "q", "output": "a", **mark}).reason == "no-trained-turn"
    ((field, value),) = mark.items()
    other = {"0": "1", "false": "true", "true": "false"}.get(value, not value)
    kept = read({"instruction": "q", "output": "a", field: other})
    assert (kept.untrained, kept.unread) == (frozenset(), ())


@pytest.mark.parametrize(
    "mark",
    [{"weight": 0.5}, {"weight": 2}, {"loss": "some"}, {"weight": 1, "train": False},
     {"train_detail": [{"train": False}]}, {"loss_mask": [0, 1]}],
)  # fmt: skip
def test_what_is_partly_in_the_loss_drops_the_row(mark):
    assert read({"messages": [*chat(QA[0]), {**chat(QA[1])[0], **mark}]}).reason == "unsupported-weight"


def test_a_rows_weight_has_to_be_yes_or_no_and_other_names_may_mean_anything():
    assert read({"question": "q", "answer": "a", "weight": 0.5}).reason == "unsupported-weight"
    assert read({"question": "q", "answer": "a", "mask": "Assistant"}).reason == "unsupported-weight"
    kept = read({"question": "q", "answer": "a", "weight": 1, "mask": "User", "loss": 0.7, "train": "split"})
    assert kept.untrained == frozenset()
    assert kept.unread == ("loss", "train")


@pytest.mark.parametrize(
    "marks",
    [
        {"loss_mask": [0, 0, 0, 1], "weight": [0, 1]},
        {"loss_mask": [0, 1]},
        {"loss_mask": "[null, 0, null, 1]"},
        {"loss_masks": [1, 0, 1, 1]},
        {"weights": [Decimal(0), Decimal(1)]},
        {"train": [False, True]},
        {"mask": [True, True, True, False]},
    ],
)
def test_a_rows_list_of_marks_takes_out_the_answers_that_it_names(marks):
    found = read({"messages": chat(*QAQA), **marks})
    assert (found.untrained, found.unread) == ({1}, ())
    assert read({"instruction": "r", "output": "b", "history": [["q", "a"]], **marks}).untrained == {1}


@pytest.mark.parametrize(
    "mark",
    [
        {"weight": Decimal("0.5")},
        {"weights": [0, 0, 1]},
        {"weights": [0, 0.5]},
        {"loss_mask": "[0, 0, 1]"},
        {"loss_mask": {"assistant": 0}},
        {"weight": 10**400},
    ],
)
def test_a_rows_marks_that_fit_neither_turns_nor_answers_drop_it(mark):
    drop = read({"messages": chat(*QAQA), **mark})
    assert (drop.reason, "its 4 turns or for each answer (2)" in drop.detail) == ("unsupported-weight", True)


@pytest.mark.parametrize("mark", [{"loss": [0.7, 0.2]}, {"train": ["a"]}, {"mask": [0]}, {"weight": "heavy"}])
def test_a_rows_lists_and_words_that_may_mean_anything_are_named(mark):
    found = read({"messages": chat(*QAQA), **mark})
    assert (found.untrained, found.unread) == (frozenset(), tuple(mark))
    padded = read({"messages": chat(*QAQA), "loss_mask": [], "weights": [None, None]})
    assert (padded.untrained, padded.unread) == (frozenset(), ())


@pytest.mark.parametrize("mark", [{"is_masked": True}, {"no_loss": 1}, {"compute_loss": False}, {"step_loss_mask": 0}])
def test_marks_that_only_turns_have_drop_no_row(mark):
    assert read({"question": "q", "answer": "[NAME] came", **mark}).unread == tuple(mark)


@pytest.mark.parametrize(
    ("asks", "answers"), [("prompt", "completion"), ("prompt", "response"), ("question", "answer")]
)
def test_answers_in_the_column_that_asks_are_the_prompt_s_and_not_learnt(asks, answers):
    for prompt in (
        chat(*QAQA[:3]),
        json.dumps(chat(*QAQA[:3])),
        sharegpt(("human", "q"), ("gpt", "a"), ("human", "r")),
    ):
        found = read({asks: prompt, answers: "b"})
        assert [(turn["role"], turn["content"]) for turn in found.messages] == QAQA
        assert (found.untrained, found.remarks) == ({1}, ("untrained",))
    several = read({asks: "q", answers: chat(QA[1], *QAQA[2:])})
    assert several.untrained == frozenset(), "all that the column of answers holds is learnt"


@pytest.mark.parametrize(
    "raw",
    [
        {"prompt": chat(*QAQA[:3]), "chosen": "b", "rejected": "c"},
        {"prompt": chat(*QAQA[:3]), "chosen": chat(QAQA[3]), "rejected": "c"},
        {"chosen": chat(*QAQA), "rejected": chat(*QAQA[:3], ("assistant", "c"))},
        {"prompt": "r", "chosen": chat(*QAQA), "rejected": chat(*QAQA[:3], ("assistant", "c"))},
        {"prompt": TOLD, "chosen": " b", "rejected": " c"},
        {"chosen": f"{TOLD} b", "rejected": f"{TOLD} c"},
        {"query": "r", "history": [["q", "a"]], "chosen": "b", "rejected": "c"},
    ],
)
def test_chosen_answers_are_learnt_without_those_of_their_prompt_as_in_pairs(raw):
    found, (pair, _) = read(raw, "chosen"), detect_reader([row(raw)]).read(row(raw)).conversations
    assert (found.messages, found.untrained) == (pair.messages, pair.untrained)
    assert found.untrained == {1}


def test_an_answer_before_any_question_is_not_learnt():
    greeted = read({"messages": chat(("assistant", "hello"), *QA)})
    assert greeted.untrained == {0}
    assert greeted.remarks == ("no-question",)
    for known, raw in [
        (None, {"messages": chat(("system", "s"), QA[1])}),
        (None, {"conversations": sharegpt(("gpt", "a"))}),
        ("chosen", {"chosen": "a", "rejected": "b"}),
        ("chosen", {"system": "s", "chosen": chat(QA[1]), "rejected": chat(QA[1])}),
        ("prompt/completion", {"prompt": chat(("system", "s")), "completion": "a"}),
        ("alpaca", {"instruction": None, "input": float("nan"), "output": "a"}),
    ]:
        drop = read(raw, known)
        assert isinstance(drop, Drop), raw
        assert drop.reason == "missing-field", raw


# ---- what nobody reads


def test_fields_that_nobody_read_are_named_and_those_that_say_nothing_are_not():
    turn = {**chat(QA[0])[0], "date": "x", "images": [], "name": "Ann"}
    raw = {
        "messages": [turn, *chat(QA[1])],
        "id": 3,
        "source": "s",
        "tags": [],
        "extra": {"a": None},
        "note": float("nan"),
    }
    given = read(raw)
    assert given.unread == ("id",)
    assert given.unread_of_turns == ("date",)
    assert read({"messages": chat(*SQA), "system": "other"}).unread == ("system",)
    assert read({"messages": chat(*SQA), "system": " s"}).unread == ()
    assert read({"question": "q", "answer": "a", "rejected": ["x"]}, "question/answer").unread == ("rejected",)
    part = {"type": "text", "text": "q", "image_url": None, "cache_control": {"type": "brief"}}
    assert read({"messages": [{"role": "user", "content": [part]}, *chat(QA[1])]}).unread_of_turns == (
        "content.cache_control",
    )
    call = {**CALL, "index": 0, "function": {**CALL["function"], "strict": True}}
    assert read({"messages": [*chat(QA[0]), {**CALLED, "tool_calls": [call]}]}).unread_of_turns == (
        "tool_calls.index",
        "tool_calls.strict",
    )
    assert read({"messages": [{**chat(QA[0])[0], "weight": 1}, *chat(QA[1])]}).unread_of_turns == ("weight",)


@pytest.mark.parametrize("word", ["nan", "NaN", "null", "None", " <NA> "])
@pytest.mark.parametrize("field", ["instruction", "input", "output", "system"])
def test_a_word_that_tables_write_for_a_missing_value_is_read_and_noted(word, field):
    found = read({"instruction": "q", "input": "i", "output": "a", field: word})
    assert found.remarks == ("words-for-missing",)
    assert word in "".join(message["content"] for message in found.messages)
    assert read({"instruction": "None of these?", "output": "nano"}).remarks == ()


BARE = ["one", "two"]
IMAGE = [{"type": "image_url", "image_url": "x"}, {"type": "text", "text": "q"}]
DROPS = [
    ("empty-turn", {"question": "q", "answer": ""}),
    ("empty-turn", {"question": "q", "answer": "<think>t</think>\n"}),
    ("empty-turn", {"messages": chat(("user", "q"), ("assistant", "t</think>"))}),
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
    ("not-a-turn", {"question": "q", "answer": ["a"]}),
    ("content-not-text", {"question": "q", "answer": True}),
    ("missing-field", {"messages": [{"role": "user", "content": "q"}, {"content": "a"}]}),
    ("not-a-turn", {"messages": [{"role": "user", "content": "q"}, "a"]}),
    ("broken-history", {"instruction": "q", "output": "a", "history": ["q"]}),
    ("broken-tools", {"messages": chat(*QA), "tools": "not json"}),
    ("not-unicode", {"question": "q", "answer": "half an emoji \ud83d"}),
    ("not-unicode", {"messages": [{**chat(QA[0])[0], "name": "\udfff"}, *chat(QA[1])]}),
    ("not-unicode", {"question": "q", "answer": "a", "source": "\ud800"}),
    ("broken-tool-call", {"messages": [*chat(QA[0]), {"role": "assistant", "content": "", "tool_calls": [1]}]}),
    (
        "broken-tool-call",
        {"messages": [*chat(QA[0]), {**CALLED, "tool_calls": [{"name": "f", "arguments": "{'a': 1}"}]}]},
    ),
    ("broken-tool-call", {"messages": [*chat(QA[0]), {**CALLED, "tool_calls": [{"name": "f", "arguments": "[1]"}]}]}),
    ("broken-tool-call", {"messages": [*chat(QA[0]), {"role": "assistant", "function_calls": "f(x=1)"}]}),
    ("broken-tool-call", {"messages": [*chat(QA[0]), {"role": "tool_call", "content": str({"name": "f"})}]}),
    ("broken-tool-call", {"conversations": sharegpt(("human", "q"), ("function_call", '[{"name": "f"'))}),
    (
        "broken-tool-call",
        {"messages": [*chat(QA[0]), {**CALLED, "tool_calls": [{"name": "f", "arguments": '{"x": 1, "x": 2}'}]}]},
    ),
    ("broken-tools", {"messages": chat(*QA), "tools": '[{"name": "f", "name": "g"}]'}),
    ("broken-history", {"instruction": "q", "output": "a", "history": '[["q", {"a": 1, "a": 2}]]'}),
    ("conflicting-fields", {"messages": [*chat(QA[0]), {**CALLED, "function_call": {"name": "other"}}]}),
    ("conflicting-fields", {"messages": [*chat(QA[0]), {**chat(QA[1])[0], "thinking": "x", "reasoning": "y"}]}),
    ("conflicting-fields", {"messages": chat(*QA), "tools": [{"name": "f"}], "functions": [{"name": "g"}]}),
    ("missing-field", {"question": "q", "answer": float("nan"), "x": 1}),
    ("content-not-text", {"question": "q", "answer": float("inf")}),
    ("content-not-text", {"question": "q", "answer": 2.0**60}),
    ("content-not-text", {"messages": chat(*QA), "images": ["a.jpg"]}),
    ("content-not-text", {"question": "q", "answer": "a", "image": {"bytes": b"x", "path": None}}),
    ("content-not-text", {"instruction": "q", "output": "a", "audio_path": "a.wav"}),
    ("content-not-text", {"instruction": "q", "output": "a", "images_list": ["a.png"]}),
    ("content-not-text", {"instruction": "q", "output": "a", "photo": "a.png"}),
    ("content-not-text", {"conversations": sharegpt(("human", "q"), ("gpt", "a")), "videos": ["v.mp4"]}),
    ("content-not-text", {"messages": [{**chat(QA[0])[0], "images": ["x"]}, *chat(QA[1])]}),
    ("content-not-text", {"messages": [{"role": "user", "content": [{"text": "q"}, {"image": "x"}]}, *chat(QA[1])]}),
    ("content-not-text", {"messages": [{"role": "user", "content": [{"text": "q", "image": "x"}]}, *chat(QA[1])]}),
    ("content-not-text", {"messages": [{"role": "user", "content": [{"type": "image"}]}, *chat(QA[1])]}),
    (
        "content-not-text",
        {"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "x"}]}, *chat(QA[1])]},
    ),
    ("content-not-text", {"messages": [*chat(QA[0]), {**chat(QA[1])[0], "reasoning": BARE}]}),
    ("content-not-text", {"messages": [*chat(QA[0]), {**CALLED}, {"role": "tool", "content": BARE}, *chat(QA[1])]}),
    ("content-not-text", {"question": "q", "answer": "a", "system": BARE}),
    ("content-not-text", {"messages": [{"role": "user", "content": ["one", {"text": "two"}]}, *chat(QA[1])]}),
    ("no-right-choice", {"question": "q", "choices": "['a', 'b']", "answer": 0}),
    ("no-right-choice", {"question": "q", "choices": "['a' 'b']", "answer": "A"}),
    ("no-right-choice", {"question": "q", "choices": "[[3], [4]]", "answer": "0"}),
    ("no-right-choice", {"question": "q", "choices": '{"text": ["a"], "text": ["b"]}', "answer": "0"}),
    ("bad-answer", {"prompt": "q", "completion": "a", "label": False}),
    ("bad-answer", {"messages": chat(*QA), "kto_tag": False}),
]


@pytest.mark.parametrize(("reason", "raw"), DROPS)
def test_a_faulty_row_is_dropped_with_its_reason(reason, raw):
    drop = read(raw, override="question/answer" if "x" in raw else None)
    assert isinstance(drop, Drop)
    assert (drop.row, drop.reason) == (0, reason)
    assert drop.detail


@pytest.mark.parametrize(
    "nothing",
    [{"images": []}, {"image": None}, {"image": {"bytes": None, "path": None}}, {"audio": ""}, {"videos": [None]},
     {"image_count": 2}, {"speech": "a text"}, {"label": True}, {"label": 0}, {"rejected": None}, {"rejected": []},
     {"score_rejected": 0.2}],
)  # fmt: skip
def test_columns_that_hold_nothing_of_another_kind_change_nothing(nothing):
    assert turns({"messages": chat(*QA), **nothing}) == QA


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


@given(raw=st.dictionaries(st.sampled_from(FIELDS), JSON), known=st.sampled_from([*FORMATS]))
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
    with pytest.raises(InputError, match=r"preference pairs.*not taken here.*'chosen'"):
        detect_format(rows(pair))
    assert turns(pair, override="chosen") == QA
    assert turns({**pair, "system": "s"}, override="chosen") == SQA
    assert turns({"question": "q", "system_prompt": "s", "chosen": "a", "rejected": "b"}, override="chosen") == SQA
    placed = {"question": "q", "context": "i", "chosen": "a", "rejected": "b"}
    assert turns(placed, override="chosen") == [("user", "q\ni"), QA[1]]
    put = {"instruction": "q", "input": "i", "chosen": "a", "rejected": "b"}
    assert turns(put, override="chosen") == [("user", "q\ni"), QA[1]]
    side = sharegpt(("gpt", "a"))[0]
    listed = {"conversations": sharegpt(("human", "q")), "chosen": side, "rejected": side}
    assert turns(listed, override="chosen") == QA
    assert turns({"chosen": chat(*QA), "rejected": chat(*QA)}, override="chosen") == QA
    assert turns({"prompt": chat(QA[0]), "chosen": chat(QA[1]), "rejected": chat(QA[1])}, override="chosen") == QA
    assert turns({"prompt": "q", "chosen": chat(*QA), "rejected": chat(*QA)}, override="chosen") == QA


@pytest.mark.parametrize("rejected", ["rejected", "rejected_response", "rejected_messages"])
def test_pairs_beside_the_fields_of_another_format_are_refused_until_one_is_named(rejected):
    raw = {"messages": chat(*QA), "prompt": "x", "chosen": "y", rejected: ["z"]}
    with pytest.raises(InputError, match=rf"file.jsonl:1: .*'{rejected}'.*preference pairs.*--format messages"):
        detect_format([row(raw)])
    assert turns(raw, override="messages") == QA
    assert read(raw, override="messages").unread == ("prompt", "chosen", rejected)


@pytest.mark.parametrize(
    ("right", "choices", "words"),
    [
        (4, ["a", "b"], "the right choice is '4', and there are: A, B"),
        ("E", {"text": ["a", "b"], "label": ["1", "2"]}, "there are: 1, 2"),
        (True, ["a", "b"], "'True'"),
        (0, [], "no list of texts"),
        (0, [[1], [2]], "no list of texts"),
        (0, ["a", float("nan")], "no list of texts"),
        ("2", ["1", "2", "3", "4"], "the right choice is '2': the text of one, and the letter or place of another"),
        (2, [1, 2, 3, 4], "'2': the text of one"),
        ("A", ["B", "A"], "'A': the text of one"),
    ],
)
def test_a_question_whose_right_choice_cannot_be_told_is_dropped(right, choices, words):
    drop = read({"question": "q", "choices": choices, "answer": right}, override="choices")
    assert (drop.reason, words in drop.detail) == ("no-right-choice", True)


@pytest.mark.parametrize(
    ("choices", "right", "said"),
    [
        ('{"A": "3", "B": "4"}', "4", "4"),
        ('{"A": "3", "B": "4"}', "B", "4"),
        ("[3, 4]", "1", "4"),
        ('["3", "4"]', "The sum is 4, so B.", "The sum is 4, so B."),
        ("{'A': 'x', 'B': 'y'}", "It is y.", "It is y."),
        ('{"temperature": 0.7}', "It is warm.", "It is warm."),
        ("['a', 'b'] are both fine?", "They are.", "They are."),
    ],
)
def test_texts_that_look_like_choices_are_those_only_where_the_answer_may_point_at_one(choices, right, said):
    assert turns({"question": "q", "options": choices, "answer": right}) == [("user", "q"), ("assistant", said)]


@pytest.mark.parametrize("empty", [[], {}, [None], {"text": [], "label": []}, {"A": None, "B": None}])
@pytest.mark.parametrize("column", ["choices", "options", "endings"])
def test_an_empty_list_of_choices_says_nothing(column, empty):
    plain = {"question": "q", "answer": "a", column: empty}
    assert detect_format([row(plain)]).name == "question/answer"
    assert turns(plain) == QA
    assert read(plain).unread == ()
    beside = {"choices": None, "options": None, "endings": None, column: empty}
    given = next(name for name in beside if name != column)
    assert turns({**beside, given: ["z", "a"], "question": "q", "answer": "B"}) == QA
    assert turns({"question": "q", "choices": ["z", "a"], "answer": "", "label": 1}) == QA
    assert read(plain, override="choices").reason == "no-right-choice"


def test_choices_are_not_answered_by_their_place_in_a_list():
    raw = {"question": "q", "choices": ["0", "3", "1"], "answer": 1}
    assert turns(raw) == [("user", "q"), ("assistant", "3")]
    assert turns({**raw, "answer": "C"}) == [("user", "q"), ("assistant", "1")]
    assert turns({**raw, "choices": '["0", "3", "1"]', "answer": "1"}) == [("user", "q"), ("assistant", "3")]
    objects = json.dumps({"text": ["x", "y"], "label": ["A", "B"]})
    assert turns({**raw, "choices": objects, "answer": "B"}) == [("user", "q"), ("assistant", "y")]
    assert turns({**raw, "choices": "(1) x (2) yes", "answer": "yes"}) == [("user", "q"), ("assistant", "yes")]
    assert turns({**raw, "choices": None, "answer": "3"}) == [("user", "q"), ("assistant", "3")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"A": "x", "B": "y", "C": "z", "D": "w", "answer": "C"}, "z"),  # C-Eval, MMLU as a table
        ({"A": 3.0, "B": 4.0, "answer": "B"}, "4"),
        ({"option_a": "x", "option_b": "y", "answer": "B"}, "y"),
        ({"opa": "x", "opb": "y", "answer": "a"}, "x"),
        ({"option1": "x", "option2": "y", "answer": "2"}, "y"),
        ({"ending0": "x", "ending1": "y", "label": 1}, "y"),
        ({"A": "x", "B": "y", "C": None, "answer": "B"}, "y"),
        ({"A": "x", "B": "y", "choices": "", "answer": "B"}, "y"),
        ({"A": "3", "B": "4", "answer": "4"}, "4"),
        ({"A": "x", "B": "y", "C": "z", "D": "w", "answer": 3}, None),  # KMMLU, which counts from 1
        ({"A": "x", "B": "y", "answer": "E"}, None),
        ({"choices": "A) x B) y", "answer": "A"}, None),
        ({"choices": "A) x B) y", "answer": "(A)"}, None),
        ({"option_a": "x", "answer": "a"}, "a"),
        ({"A": "x", "B": "y", "answer": "It is y."}, "It is y."),
        ({"a": 3, "b": 4, "answer": 7}, "7"),
    ],
)
def test_choices_in_columns_of_their_own_are_not_answered_by_a_letter(given, said):
    found = read({"question": "q", **given})
    if said is None:
        assert found.reason == "no-right-choice"
    else:
        assert [turn["content"] for turn in found.messages] == ["q", said]


def test_right_choices_that_are_counted_from_1_are_refused():
    def rows(*places, **more):
        return [
            row({"question": "q", "choices": ["x", "y", "z", "w"], "answer": place, **more}, number)
            for number, place in enumerate(places)
        ]

    for override in (None, "choices"):
        with pytest.raises(InputError, match=r":3: the right one of 4 choices is 4, .* Take 1 off each"):
            detect_format(rows(1, 2, "4", 3), override)
    assert detect_format(rows(1, 0, 4)).name == "choices"
    assert detect_format(rows("B", "D")).name == "choices"
    assert detect_format(rows(4, 1, choices=[1, 2, 3, 4])).name == "choices"
    labelled = {"text": ["x", "y", "z", "w"], "label": ["1", "2", "3", "4"]}
    assert detect_format(rows("4", "1", choices=labelled)).name == "choices"
    assert read(rows(3)[0].raw).remarks == ("place-from-0",)
    assert read(rows("D")[0].raw).remarks == read(rows("4", choices=labelled)[0].raw).remarks == ()


@pytest.mark.parametrize(
    ("choices", "right", "said"),
    [
        (["a", "b", "c"], 2.0, "c"),  # whole numbers, as a table keeps them once one is missing
        ([4.0, 5.5], "B", "5.5"),
        ([4.0, 5.5], "A", "4"),
        ([10, 20], 20.0, "20"),
        ({"A": "x", "B": "y", "C": None, "D": float("nan")}, "B", "y"),  # a table's padding
        ([{"text": "x"}, {"text": "y", "label": None}], "B", "y"),
        (["1", "2", "1"], "1", None),
        (["0", "1"], "1", "1"),
        ({"text": ["2", "1"], "label": ["1", "2"]}, "2", "1"),
    ],
)
def test_choices_as_tables_have_them(choices, right, said):
    raw = {"question": "q", "choices": choices, "answer": right}
    assert isinstance(read(raw), Drop) if said is None else turns(raw) == [("user", "q"), ("assistant", said)]
