"""Marked answers are read by turns and roles, the last answer alone is learnt, and one mark alone tells nothing."""

from dataclasses import replace
from decimal import Decimal

import pytest

from spice_select.data.encoding import Encoder
from spice_select.data.formats import MARKED, detect_format, detect_reader
from spice_select.data.records import Conversation, Drop, Example, Row
from spice_select.errors import InputError
from spice_select.testing.format import JUNK, check_format
from spice_select.testing.tokenizers import tiny_tokenizer
from tests.data.cases import chat
from tests.data.marked_cases import ANSWER, DROPPED, LAYOUTS, QUESTION


def row(raw, number=0):
    return Row(number, raw, f"kto.jsonl:{number + 1}")


def turned(raw):
    return {name: False if value is True else value for name, value in raw.items()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_the_same_and_both_marks_are_read(layout):
    raw = LAYOUTS[layout]
    rows = [row(raw), row(turned(raw), 1)]
    reader = detect_reader(rows)
    assert reader is MARKED
    good, bad = (reader.read(one) for one in rows)
    assert isinstance(good, Conversation), good
    assert good.messages == tuple(chat(("user", QUESTION), ("assistant", ANSWER)))
    assert (good.label, good.unread, good.untrained, good.remarks) == (True, (), frozenset(), ())
    assert bad == replace(good, row=rows[1], label=False)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_keeps_the_contract_of_a_format(layout):
    raw = LAYOUTS[layout]
    if layout != "text of a table":
        check_format(MARKED, [raw])
    for field in raw:
        for junk in JUNK:
            assert isinstance(MARKED.read(row({**raw, field: junk})), Conversation | Drop)


@pytest.mark.parametrize("name", DROPPED)
def test_what_cannot_be_told_is_dropped_with_its_reason(name):
    reason, raw = DROPPED[name]
    drop = MARKED.read(row(raw))
    assert isinstance(drop, Drop), drop
    assert (drop.reason, bool(drop.detail)) == (reason, True)


def test_the_marked_answer_alone_is_learnt_and_the_example_has_the_sign():
    long = chat(("system", "s"), ("user", "q"), ("assistant", "an earlier one"), ("user", "r"), ("assistant", "last"))
    tokenizer = tiny_tokenizer()
    for mark, sign in ((True, 1), (False, -1)):
        found = MARKED.read(row({"messages": long, "kto_tag": mark}))
        assert isinstance(found, Conversation)
        example = Encoder(tokenizer).encode(found)
        assert isinstance(example, Example)
        assert tokenizer.decode(example.input_ids[example.supervised]) == "last<|im_end|>"
        assert (example.label, example.sign) == (mark, sign)


@pytest.mark.parametrize("override", [None, "kto"])
@pytest.mark.parametrize("mark", [True, False])
def test_one_mark_alone_is_refused_with_file_and_lines(override, mark):
    rows = [row({"prompt": "q", "completion": str(n), "label": mark}, n) for n in range(3)]
    with pytest.raises(InputError, match=rf"kto.jsonl:1 to kto.jsonl:3: all 3 marks .* are {str(mark).lower()}; KTO"):
        detect_reader(rows, override)
    assert detect_reader(rows, "prompt/completion").name == "prompt/completion"


def test_marked_rows_beside_others_are_refused_with_a_line_of_each():
    marked = LAYOUTS["TRL, strings"]
    for other, name in (
        ({"prompt": "q", "completion": "a"}, "prompt/completion"),
        ({"prompt": "q", "chosen": "a", "rejected": "b"}, "preference"),
    ):
        with pytest.raises(InputError, match=rf"kto first at kto.jsonl:2; {name} first at kto.jsonl:1"):
            detect_reader([row(other), row(marked, 1), row(turned(marked), 2)])
    with pytest.raises(InputError, match=r"--format kto: answers marked good or bad are not taken here"):
        detect_format([row(marked)], "kto")


def test_a_label_beside_turns_is_a_mark_only_where_that_is_said():
    rows = [row({"messages": chat(("user", "q"), ("assistant", "a")), "label": mark}, mark) for mark in (True, False)]
    assert detect_reader(rows).name == "messages"
    assert detect_reader(rows, "kto") is MARKED
    assert isinstance(MARKED.read(rows[0]), Conversation)


def test_marks_that_say_neither_are_named_where_all_the_others_are_one():
    rows = [row({"prompt": "q", "completion": "a", "label": mark}, place) for place, mark in enumerate((1, -1, -1))]
    with pytest.raises(InputError, match=r"all 1 marks .* are true \(kto.jsonl:2: -1 is neither true nor false"):
        detect_reader(rows, "kto")


SPELLED = [
    ("True", "False"),
    ("true", "false"),
    (1, 0),
    (1.0, 0.0),
    (Decimal(1), Decimal("0.0")),
    ("1", "0"),
    ("1.0", "0.0"),
    ("yes", "no"),
]


@pytest.mark.parametrize(("good", "bad"), SPELLED)
def test_marks_in_any_spelling_are_read_where_they_are_asked_for_and_kto_tag_always(good, bad):
    for field, override in (("label", "kto"), ("kto_tag", None)):
        rows = [row({"prompt": "q", "completion": "a", field: mark}, place) for place, mark in enumerate((good, bad))]
        assert detect_reader(rows, override) is MARKED
        found = [MARKED.read(one) for one in rows]
        assert [(type(one), one.label, one.unread) for one in found] == [(Conversation, m, ()) for m in (True, False)]
    assert detect_format(rows).read(rows[1]).reason == "bad-answer"


@pytest.mark.parametrize(("good", "bad"), SPELLED)
def test_a_label_that_is_no_truth_value_may_be_a_class_and_is_named(good, bad):
    rows = [row({"prompt": "q", "completion": "a", "label": mark}, place) for place, mark in enumerate((good, bad))]
    found = detect_reader(rows)
    assert found.name == "prompt/completion"
    for one in rows:
        assert (found.read(one).unread, found.read(one).remarks) == (("label",), ("label-unread",))


def test_a_label_that_says_which_choice_is_right_is_no_mark():
    raw = {"question": "Is it so?", "choices": ["true", "false"], "label": "false"}
    found = detect_format([row(raw)]).read(row(raw))
    assert (found.messages[-1]["content"], found.remarks) == ("false", ())


@pytest.mark.parametrize("raw", [LAYOUTS["TRL, strings"], LAYOUTS["LLaMA-Factory, alpaca"]])
def test_reasoning_in_a_column_is_that_of_the_marked_answer(raw):
    found = MARKED.read(row({**raw, "reasoning_content": "hm"}))
    assert (found.messages[-1]["reasoning_content"], found.unread) == ("hm", ())


def test_two_marks_that_differ_drop_the_row_and_a_class_beside_a_mark_is_named():
    both = {"prompt": "q", "completion": "a", "kto_tag": False}
    rows = [row({**both, "label": True}), row({**both, "kto_tag": True}, 1), row(both, 2)]
    assert detect_reader(rows) is MARKED
    assert MARKED.read(rows[0]).reason == "conflicting-fields"
    for label in (1, 7, "good"):
        found = MARKED.read(row({**both, "label": label}))
        assert (found.label, found.unread) == (False, ("label",))


def test_a_row_without_a_mark_says_what_stands_in_its_place():
    assert "label is 'maybe'" in MARKED.read(row({"prompt": "q", "completion": "a", "label": "maybe"})).detail


def test_an_answer_in_a_column_that_is_not_read_is_not_called_a_missing_prompt():
    found = MARKED.read(row({"prompt": "q", "response": "a", "label": True}))
    assert "there is no answer: none of completion, output" in found.detail
