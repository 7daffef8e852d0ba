"""Rows that repeat an earlier one or say the opposite, held against a look at every pair of rows."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.contradictions import Retold, without_contradictions
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import FORMATS, MARKED, PREFERENCE
from spice_select.data.records import Row
from spice_select.testing.tokenizers import tiny_tokenizer

Raw = dict[str, Any]


@cache
def encoder() -> Encoder:
    return Encoder(tiny_tokenizer(), max_length=64)


def encoded(raws, reader):
    rows = [Row(number, raw, f"rows.jsonl:{number + 1}") for number, raw in enumerate(raws)]
    return encode_rows(rows, reader, encoder())


def marked(prompt: str, completion: str, label: bool) -> Raw:
    return {"prompt": prompt, "completion": completion, "label": label}


def oracle(raws: list[Raw], same: Callable[[Raw, Raw], bool], opposite: Callable[[Raw, Raw], bool]):
    """Each row beside every earlier one: the first that says the same or the opposite decides."""
    repeats, contradictions = {}, {}
    for row, raw in enumerate(raws):
        for earlier, other in enumerate(raws[:row]):
            if same(raw, other):
                repeats[row] = earlier
                break
            if opposite(raw, other):
                contradictions[row] = earlier
                break
    return repeats, contradictions


@given(
    st.lists(st.builds(marked, st.sampled_from("pq"), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=12)
)
@settings(max_examples=20, deadline=None)
def test_marked_answers_against_a_look_at_every_pair_of_rows(raws: list[Raw]) -> None:
    found = Retold.among(encoded(raws, MARKED).examples)
    turned = lambda raw: {**raw, "label": not raw["label"]}  # noqa: E731
    assert (found.repeats, found.contradictions) == oracle(raws, lambda a, b: a == b, lambda a, b: a == turned(b))


@given(st.lists(st.tuples(st.sampled_from("pq"), st.permutations("abc")), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_pairs_against_a_look_at_every_pair_of_rows(drawn) -> None:
    raws = [{"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt, (chosen, rejected, _) in drawn]
    found = Retold.among(encoded(raws, PREFERENCE).examples)
    turned = lambda raw: {**raw, "chosen": raw["rejected"], "rejected": raw["chosen"]}  # noqa: E731
    assert (found.repeats, found.contradictions) == oracle(raws, lambda a, b: a == b, lambda a, b: a == turned(b))


def test_marks_that_contradict_are_dropped_but_the_first_and_repeats_are_told() -> None:
    raws = [
        marked("q", "yes", True),
        marked("q", "yes", False),
        marked("q", "yes", True),
        marked("another q", "yes", False),
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "yes"}], "kto_tag": False},
    ]
    found = without_contradictions(encoded(raws, MARKED), keep=False)
    assert [(example.row, example.label) for example in found.examples] == [(0, True), (2, True), (3, False)]
    assert [(drop.row, drop.reason, drop.detail) for drop in found.drops] == [
        (row, "contradicting-marks", "row 0 marks the same answer to the same prompt the other way") for row in (1, 4)
    ]
    assert found.notes[-2:] == (
        "Answers that an earlier row of their prompt marks the other way: 2 (left out, the first of each is kept; row "
        "1 contradicts row 0).",
        "Answers that repeat an earlier one and its mark: 1 (row 2 repeats row 0); none is left out.",
    )
    kept = without_contradictions(encoded(raws, MARKED), keep=True)
    assert (len(kept.examples), len(kept.drops)) == (5, 0)
    assert "2 (kept, as --keep-contradictions asks;" in kept.notes[-2]


def test_what_the_window_cuts_off_tells_no_answers_apart() -> None:
    long = "word " * 80
    found = Retold.among(
        encoded([marked("q", f"{long} one", True), marked("q", f"{long} two", False)], MARKED).examples
    )
    assert found.contradictions == {1: 0}


@pytest.mark.parametrize("answer", ["a", "b"])
def test_answers_to_be_learnt_contradict_nothing(answer: str) -> None:
    raws = [{"prompt": "q", "completion": "a"}, {"prompt": "q", "completion": answer}]
    plain = encoded(raws, FORMATS["prompt/completion"])
    assert without_contradictions(plain, keep=False) is plain
