"""Reasoning in the text of an answer, and beside it in a field of its own."""

import pytest

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.formats.thoughts import begins_with_thought, thought_and_said
from spice_select.data.records import Conversation, Drop, Row
from spice_select.testing.tokenizers import CHATML, CHATML_WITH_TOOLS, tiny_tokenizer


@pytest.mark.parametrize(
    ("text", "thought", "said"),
    [
        ("an answer", "", "an answer"),
        ("<think>a</think>b", "a", "b"),
        ("before <think>a</think> after", "a", "before  after"),
        ("<think>a</think>b<think>c</think>d", "ac", "bd"),
        ("a\n</think>\n\nb", "a\n", "\n\nb"),
        ("a</think>b<think>c</think>d", "ac", "bd"),
        ("<think>never closed", "", "<think>never closed"),
        ("<think>a<think>b</think>c", "a<think>b", "c"),
        ("", "", ""),
    ],
)
def test_what_is_thought_and_what_is_said(text, thought, said):
    assert thought_and_said(text) == (thought, said)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("<think>a</think>b", True),
        ("\n<think>\na\n</think>\n\nb", True),
        ("a</think>b", True),
        ("b<think>a</think>", False),
        ("<think>never closed", False),
        ("an answer", False),
    ],
)
def test_whether_an_answer_begins_with_a_thought(text, begins):
    assert begins_with_thought(text) is begins


CHANNELS = CHATML_WITH_TOOLS.replace("'<think>'", "'[analysis]'").replace("'</think>'", "'[final]'")
KEEPS = CHATML_WITH_TOOLS.replace("{{ message['content'] }}", "{{ message['content'].split('</think>')[-1] }}")


@pytest.mark.parametrize(
    ("template", "noted"), [(CHANNELS, True), (CHATML_WITH_TOOLS, False), (CHATML, False), (KEEPS, False)]
)
def test_thoughts_that_a_template_with_a_place_for_them_takes_for_words_are_noted(template, noted):
    rows = [
        {"messages": [ASKED, {"role": "assistant", "content": block("a thought")}]},
        {"messages": [ASKED, {"role": "assistant", "content": "an answer", "reasoning_content": "a thought"}]},
    ]
    numbered = [Row(number=n, raw=raw, where=f"a.jsonl:{n + 1}") for n, raw in enumerate(rows)]
    encoded = encode_rows(numbered, detect_format(numbered), Encoder(tiny_tokenizer(template)))
    assert [note.endswith("`reasoning_content`: 1 turn in 1 row.") for note in encoded.notes if "put it" in note] == (
        [True] if noted else []
    )


def read(raw: dict) -> Conversation | Drop:
    row = Row(number=0, raw=raw, where="a.jsonl:1")
    return detect_format([row]).read(row)


def block(thought: str) -> str:
    return f"<think>\n{thought}\n</think>\n\nan answer"


ASKED = {"role": "user", "content": "q?"}
LAYOUTS = {
    "messages": lambda text, field: {
        "messages": [ASKED, {"role": "assistant", "content": block(text), "reasoning_content": field}]
    },
    "opened by the prompt": lambda text, field: {
        "messages": [ASKED, {"role": "assistant", "content": f"{text}</think>an answer", "thinking": f" {field} "}]
    },
    "columns": lambda text, field: {"prompt": "q?", "completion": block(text), "thinking": field},
    "alpaca": lambda text, field: {"instruction": "q?", "input": "", "output": block(text), "reasoning_content": field},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_reasoning_in_text_and_field_is_taken_once(layout):
    found = read(LAYOUTS[layout]("a thought", "a thought"))
    assert isinstance(found, Conversation), found
    assert "reasoning_content" not in found.messages[1]
    assert found.messages[1]["content"].count("a thought") == 1
    assert found.unread == found.unread_of_turns == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_reasoning_in_text_and_field_is_a_conflict(layout):
    drop = read(LAYOUTS[layout]("another", "a thought"))
    assert isinstance(drop, Drop), drop
    assert drop.reason == "conflicting-fields"
    assert drop.detail == "turn 2 holds one reasoning in its text and another in a field of its own"


@pytest.mark.parametrize("text", ["Use `<think>.*?</think>` to find it.", "Open with <think>, close with </think>."])
def test_an_answer_about_the_tags_keeps_its_reasoning(text):
    found = read({"messages": [ASKED, {"role": "assistant", "content": text, "reasoning_content": "They ask for it."}]})
    assert isinstance(found, Conversation), found
    assert found.messages[1]["content"] == text
    assert found.messages[1]["reasoning_content"] == "They ask for it."


@pytest.mark.parametrize(
    ("text", "noted"),
    [("<think>never closed", 1), (" <think>\nnever closed", 1), ("<think>a</think>b", 0), ("Write <think> first.", 0)],
)
def test_a_block_of_reasoning_that_is_not_closed_is_noted(text, noted):
    for raw in (
        {"prompt": "q", "completion": text},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]},
    ):
        row = Row(0, raw, "f:1")
        encoded = encode_rows([row], detect_format([row]), Encoder(tiny_tokenizer(CHATML)))
        assert sum("do not close it" in note for note in encoded.notes) == noted
