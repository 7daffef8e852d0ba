"""Single answers marked as good or bad (KTO's unpaired preferences): a prompt, an answer and its mark."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spice_select.data.formats.alpaca import Alpaca
from spice_select.data.formats.base import RowError, present, required_text
from spice_select.data.formats.content import reasoning_column
from spice_select.data.formats.fields import Fields
from spice_select.data.formats.marks import MARKS, is_marked, mark_of, marks_in
from spice_select.data.formats.messages import MESSAGES, SHAREGPT, turns_in
from spice_select.data.formats.pair_rows import check_answer
from spice_select.data.formats.preference import asked_in, asked_or_told, parted_at_question, stripped
from spice_select.data.formats.turns import Turn, conversation, with_calls_joined, with_system
from spice_select.data.formats.two_columns import answered
from spice_select.data.records import Conversation, Drop, Row

_LISTS = (MESSAGES, SHAREGPT)
_ANSWERS = ("completion", "output", "messages", "conversations")
"""Columns that may hold a marked answer."""


class MarkedAnswers:
    """Rows with an answer and ``label`` or ``kto_tag``: true (or 1) for one to give, false (or 0) for one not to give.

    The answer is ``completion``, ``output`` of an instruction, or what follows the last question of a list of turns; it
    alone is learnt. A ``label`` beside turns is often another thing, so only `--format kto` takes that for a mark.
    """

    name = "kto"
    summary = (
        "prompt (or question, instruction) → completion, or messages, or instruction → output; with label or kto_tag, "
        "true or false: answers marked good or bad"
    )

    def matches(self, raw: Mapping[str, Any]) -> bool:
        layouts = (*_LISTS, Alpaca()) if present(raw, "kto_tag") else ()
        return is_marked(raw) and (present(raw, "completion") or any(one.matches(raw) for one in layouts))

    def read(self, row: Row) -> Conversation | Drop:
        """The row as a conversation whose `label` is its mark, or the reason why it is left out. Never raises."""
        marks = marks_in(row.raw)
        fields = Fields({name: value for name, value in row.raw.items() if name not in marks})
        try:
            label = mark_of(row.raw)
            if label is None:
                said = ", ".join(f"{name} is {row.raw[name]!r}" for name in MARKS if name in row.raw)
                raise RowError("no-mark", f"neither label nor kto_tag says true or false, 1 or 0{said and ': ' + said}")
            return replace(_read(row, fields), label=label)
        except RowError as fault:
            return fault.drop(row.number)


MARKED = MarkedAnswers()


def _read(row: Row, fields: Fields) -> Conversation:
    asked, answer = _parted(fields)
    prompt = with_calls_joined(with_system(fields, asked))
    if not prompt or not answer:
        raise RowError("missing-field", "there is no " + ("answer after the last question" if prompt else "prompt"))
    if prompt[-1].role == "assistant":
        raise RowError("prompt-ends-with-answer", "the prompt ends with the assistant's turn: nothing asks for another")
    check_answer("completion", with_calls_joined(answer))
    read = conversation(row, fields, [*prompt, *answer])
    if any(place >= len(prompt) for place in read.untrained):
        raise RowError("unsupported-weight", "the answer that is marked is taken out of the loss by its weight")
    earlier = frozenset(place for place, turn in enumerate(read.messages[: len(prompt)]) if turn["role"] == "assistant")
    return replace(read, untrained=earlier, remarks=tuple(name for name in read.remarks if name != "untrained"))


def _parted(fields: Fields) -> tuple[list[Turn], list[Turn]]:
    """Prompt and answer."""
    if "completion" in fields:
        asked, in_transcript = asked_or_told(fields)
        answer = answered(fields, "completion")
        return asked, stripped(answer) if in_transcript else answer
    if "output" in fields:
        output = Turn(role="assistant", text=required_text(fields, "output"), reasoning=reasoning_column(fields))
        return asked_in(fields), [output]
    turns = turns_in(fields)
    if turns is None:
        raise RowError("missing-field", f"there is no answer: none of {', '.join(_ANSWERS)} is there")
    return parted_at_question(turns)
