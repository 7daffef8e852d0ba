"""Pairs are read by turns and roles: every layout says the same, and what cannot be compared is named."""

import json
import os
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.contradictions import without_contradictions
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.encoding.pairs import encode_pairs
from spice_select.data.formats import FORMATS, PREFERENCE, detect_format, detect_reader
from spice_select.data.records import Drop, Pair, PairExample, Row
from spice_select.errors import InputError
from spice_select.testing.format import JUNK
from spice_select.testing.tokenizers import CHATML, CHATML_WITH_TOOLS, tiny_tokenizer
from tests.data.cases import CALL, TOOL, chat
from tests.data.pair_cases import ASKED, CHOSEN, DROPPED, FAMILIES, QUESTION, REJECTED, TRAPS, answers, both
from tests.data.test_formats import FIELDS, JSON


def row(raw, number=0):
    return Row(number, raw, f"pairs.jsonl:{number + 1}")


def read(raw):
    return PREFERENCE.read(row(raw))


def texts(turns):
    return [turn["content"] for turn in turns]


def encoded(raw, **options):
    found = read(raw)
    assert isinstance(found, Pair), found
    return encode_pairs([found], Encoder(tiny_tokenizer(), **options))[0]


# ---- layouts


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layout_gives_the_same_pair(family):
    raw = FAMILIES[family]
    found = detect_reader([row(raw)]).read(row(raw))
    assert isinstance(found, Pair), found
    assert found.prompt == tuple(chat(*ASKED))
    assert (found.chosen, found.rejected) == (tuple(chat(("assistant", CHOSEN))), tuple(chat(("assistant", REJECTED))))
    assert found.unread == found.unread_of_turns == found.remarks == ()
    same = read(FAMILIES["implicit"])
    assert (found.prompt_hash, found.answer_hashes) == (same.prompt_hash, same.answer_hashes)


def test_system_columns_history_and_earlier_turns_are_the_prompt():
    found = read({"system": "s", "question": "q", "chosen": "a", "rejected": "b", "source": "x", "id": 7})
    assert found.prompt == tuple(chat(("system", "s"), ("user", "q")))
    assert (found.source, found.unread) == ("x", ("id",))
    told = read({"instruction": "q", "input": "i", "history": [["e", "f"]], "chosen": "a", "rejected": "b"})
    assert texts(told.prompt) == ["e", "f", "q\ni"]
    long = (("system", "s"), ("user", "q"), ("assistant", "a"), ("user", "r"))
    assert texts(read(both(long)).prompt) == ["s", "q", "a", "r"]


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_prompt_beside_whole_conversations_says_nothing(empty):
    assert read({"prompt": empty, **both()}).prompt == tuple(chat(*ASKED))
    assert read({"prompt": empty, "chosen": "a", "rejected": "b"}).reason == "empty-turn"
    for asks in ({"question": "q"}, {"instruction": "q"}, {"messages": chat(("user", "q"))}):
        assert texts(read({"prompt": empty, "chosen": "a", "rejected": "b", **asks}).prompt) == ["q"]


def test_a_pair_without_any_prompt_is_dropped_and_stops_no_corpus():
    pair = {"chosen": "a", "rejected": "b"}
    for nothing in (None, "", " "):
        rows = [row({"prompt": nothing, **pair}), row({"prompt": "q", **pair}, 1)]
        assert detect_reader(rows) is PREFERENCE
        assert PREFERENCE.read(rows[0]).reason in ("missing-field", "empty-turn")
        assert isinstance(PREFERENCE.read(rows[1]), Pair)
    whole = {"chosen": chat(("user", "q"), ("assistant", "a")), "rejected": chat(("user", "q"), ("assistant", "b"))}
    rows = [row({"prompt": "", **whole}), row({"prompt": None, **whole}, 1)]
    assert detect_reader(rows) is PREFERENCE
    assert all(isinstance(PREFERENCE.read(one), Pair) for one in rows)
    with pytest.raises(InputError, match=r"of their own first at pairs.jsonl:2; .* first at pairs.jsonl:1"):
        detect_reader([rows[0], row({"prompt": "q", **pair}, 1)])


def test_scores_become_a_margin_and_are_read():
    scored = read({"prompt": "q", "chosen": "a", "rejected": "b", "chosen-rating": 5, "rejected-rating": 3.5})
    assert (scored.margin, scored.unread) == (1.5, ())
    text = {"prompt": "q", "chosen": "a", "rejected": "b", "chosen_score": "2.5", "rejected_score": " 1 "}
    assert (read(text).margin, read(text).unread) == (1.5, ())
    decimals = {"score_chosen": Decimal("2.0"), "score_rejected": Decimal(2)}  # as Parquet has them
    assert read({"prompt": "q", "chosen": "a", "rejected": "b", **decimals}).reason == "tie"
    tie = read({**text, "rejected_score": "2.50"})
    assert (tie.reason, "chosen_score 2.5 and rejected_score 2.50" in tie.detail) == ("tie", True)
    alone = {"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 5}
    assert (read(alone).margin, read(alone).unread) == (None, ("score_chosen",))
    assert (read({**text, "rejected_score": "N/A"}).margin, read({**text, "margin": "nan"}).margin) == (None, 1.5)
    lower = {"prompt": "q", "chosen": "a", "rejected": "b", "margin": -0.5}
    assert (read(lower).margin, read(lower).remarks) == (-0.5, ("scored-lower",))
    notes = encode_rows([row(lower), row({**lower, "margin": 1}, 1)], PREFERENCE, Encoder(tiny_tokenizer())).notes
    assert [note.endswith("as the row has them: 1 row.") for note in notes] == [True]
    assert read({"prompt": "q", "chosen": "a", "rejected": "b"}).margin is None


def test_answers_may_call_tools_between():
    turns = [
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "three"},
    ]
    other = [*turns[:2], {"role": "assistant", "content": "four"}]
    asked = chat(("user", "q"))
    explicit = read({"prompt": asked, "chosen": turns, "rejected": other, "tools": [TOOL]})
    assert [turn["role"] for turn in explicit.chosen] == ["assistant", "tool", "assistant"]
    implicit = read({"chosen": [*asked, *turns], "rejected": [*asked, *other], "tools": [TOOL]})
    assert [turn["role"] for turn in implicit.prompt] == ["user", "assistant", "tool"]
    assert texts(implicit.chosen) == ["three"]
    example = encode_pairs([explicit], Encoder(tiny_tokenizer(CHATML_WITH_TOOLS)))[0]
    assert isinstance(example, PairExample)
    assert 0 < example.shared < min(example.chosen.num_supervised, example.rejected.num_supervised)


@pytest.mark.parametrize("name", DROPPED)
def test_what_cannot_be_compared_is_dropped_with_its_reason(name):
    reason, raw = DROPPED[name]
    drop = read(raw)
    assert isinstance(drop, Drop), drop
    assert drop.reason == reason
    assert drop.detail


@pytest.mark.parametrize("seed", ["0", "1"])
def test_what_trainers_read_wrongly_is_read_right_or_named_whatever_the_hash_seed(seed):
    program = (
        "import json, sys\n"
        "from spice_select.data.formats import PREFERENCE as P\n"
        "from spice_select.data.records import Row\n"
        "for raw in json.load(sys.stdin):\n"
        " f = P.read(Row(0, raw, '')); t = lambda turns: [turn['content'] for turn in turns]\n"
        " print(json.dumps(getattr(f, 'reason', None) or [t(f.prompt), t(f.chosen), t(f.rejected)]))"
    )
    asked = json.dumps([raw for raw, _ in TRAPS.values()])
    told = subprocess.run(
        [sys.executable, "-c", program],
        input=asked,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    found = [json.loads(line) for line in told.stdout.splitlines()]
    assert found == [json.loads(json.dumps(meant)) for _, meant in TRAPS.values()]


@given(raw=st.dictionaries(st.sampled_from([*FIELDS, "rejected", "margin"]), JSON))
@settings(max_examples=150, deadline=None)
def test_no_row_whatever_it_holds_raises(raw):
    assert isinstance(read(raw), Pair | Drop)


@pytest.mark.parametrize("family", FAMILIES)
def test_junk_in_any_field_never_raises_and_a_strange_field_is_named(family):
    raw = FAMILIES[family]
    for field in raw:
        for junk in JUNK:
            assert isinstance(read({**raw, field: junk}), Pair | Drop)
        assert isinstance(read({name: value for name, value in raw.items() if name != field}), Pair | Drop)
    assert read({**raw, "strange": "x"}).unread == ("strange",)


# ---- detection


def test_rows_with_both_sides_are_pairs_and_their_chosen_answers_remain_to_be_asked_for():
    pairs = [row(FAMILIES["explicit, strings"])]
    assert detect_reader(pairs) is PREFERENCE
    assert detect_reader(pairs, "chosen").name == "chosen"
    assert detect_reader([row({"prompt": "q", "completion": "a"})]).name == "prompt/completion"
    with pytest.raises(InputError, match=r"--format preference: pairs .* are not taken here"):
        detect_format(pairs, "preference")
    assert "preference" not in FORMATS


@pytest.mark.parametrize("override", [None, "preference"])
def test_pairs_with_a_prompt_beside_pairs_without_are_refused_with_a_line_of_each(override):
    mixed = [
        row(raw, number) for number, raw in enumerate([*[FAMILIES["explicit, strings"]] * 2, FAMILIES["implicit"]])
    ]
    with pytest.raises(InputError, match=r"prompt of their own first at pairs.jsonl:1; .* at pairs.jsonl:3"):
        detect_reader(mixed, override)


def test_pairs_beside_answers_are_refused_with_a_line_of_each():
    mixed = [row({"messages": chat(("user", "q"), ("assistant", "a"))}), row(FAMILIES["implicit"], 1), row({"x": 1}, 2)]
    with pytest.raises(InputError, match=r"preference first at pairs.jsonl:2; messages first at pairs.jsonl:1"):
        detect_reader(mixed)


# ---- tokens


def test_only_the_answers_are_supervised_after_one_prompt():
    long = (("system", "s"), ("user", "q"), ("assistant", "an earlier answer"), ("user", "r"))
    tokenizer, example = tiny_tokenizer(), encoded(both(long))
    assert isinstance(example, PairExample)
    for side, text in ((example.chosen, CHOSEN), (example.rejected, REJECTED)):
        assert tokenizer.decode(side.input_ids[side.supervised]) == f"{text}<|im_end|>"
    begins = [int(np.flatnonzero(side.supervised)[0]) for side in (example.chosen, example.rejected)]
    assert begins[0] == begins[1]
    answer = example.chosen.input_ids[begins[0] :][: example.shared]
    assert "It is gre".startswith(tokenizer.decode(answer))
    assert example.num_tokens == example.chosen.num_tokens + example.rejected.num_tokens
    assert example.padded_tokens == 2 * max(example.chosen.num_tokens, example.rejected.num_tokens)


def test_answers_are_cut_at_their_ends_and_pairs_without_a_difference_left_are_named():
    raw = {"prompt": "q", "chosen": "the same words for long, then a", "rejected": "the same words for long, then b"}
    whole = encoded(raw)
    begin = int(np.flatnonzero(whole.chosen.supervised)[0])
    parting = begin + whole.shared
    cut = encoded(raw, max_length=parting + 1)
    assert isinstance(cut, PairExample)
    assert cut.truncated == whole.num_tokens - 2 * (parting + 1)
    assert encoded(raw, max_length=parting).reason == "no-difference-left"
    assert encoded(raw, max_length=begin).reason == "too-long"
    assert encoded(raw, max_length=begin + 1).reason == "no-difference-left"


def test_answers_that_the_template_shows_alike_are_identical():
    stripping = CHATML.replace("message['content']", "message['content'] | trim")
    pair = read({"prompt": "q", "chosen": "a", "rejected": "a "})
    found = encode_pairs([pair], Encoder(tiny_tokenizer(stripping)))[0]
    assert found.reason == "identical-answers"


# ---- pairs that speak of each other


def test_contradictions_are_dropped_but_the_first_and_repeats_are_told():
    turned = {"prompt": QUESTION, "chosen": REJECTED, "rejected": CHOSEN}
    raws = [FAMILIES["explicit, strings"], turned, FAMILIES["explicit, conversational"], turned]
    raws.append({**turned, "prompt": "another question"})
    rows = [row(raw, number) for number, raw in enumerate(raws)]
    found = without_contradictions(encode_rows(rows, PREFERENCE, Encoder(tiny_tokenizer())), keep=False)
    assert [example.row for example in found.examples] == [0, 2, 4]
    assert [(drop.row, drop.reason) for drop in found.drops] == [(1, "contradicting-pairs"), (3, "contradicting-pairs")]
    assert any("repeat an earlier one: 1 (row 2 repeats row 0)" in note for note in found.notes)
    kept = without_contradictions(encode_rows(rows, PREFERENCE, Encoder(tiny_tokenizer())), keep=True)
    assert len(kept.examples) == 5
    assert any("rejects: 2 (kept" in note for note in kept.notes)


def test_a_corpus_of_pairs_is_encoded_with_its_drops_and_notes():
    raws = [*FAMILIES.values(), *(raw for _, raw in DROPPED.values()), {**answers(), "prompt": "q", "id": 1}]
    everything = encode_rows([row(raw, n) for n, raw in enumerate(raws)], PREFERENCE, Encoder(tiny_tokenizer()))
    assert len(everything.examples) == len(FAMILIES) + 1
    assert everything.reasons["tie"] == 3
    assert everything.notes == ("Not read: row fields `id` (1 row).",)
