"""Preference pairs: a prompt, the answer that was preferred and the one that was not, read by turns and roles.

Where both sides hold the whole conversation, the prompt is what they share in whole turns. Characters are never
compared: a common prefix of texts ends in the middle of a word.
"""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from spice_select.data.formats.base import RowError, present
from spice_select.data.formats.fields import Fields, says_nothing
from spice_select.data.formats.margins import margin_of
from spice_select.data.formats.preference import asked_or_told, stripped
from spice_select.data.formats.transcripts import is_transcript, turns_of_transcript
from spice_select.data.formats.turn_texts import with_turns
from spice_select.data.formats.turns import Turn, conversation, with_calls_joined, with_system
from spice_select.data.formats.two_columns import turns_of_value
from spice_select.data.records import Drop, Pair, Row

_ANSWERING = ("assistant", "tool")


class PreferencePairs:
    """Rows with ``chosen`` and ``rejected``: answers, or conversations that end in them, as text or lists of turns."""

    name = "preference"
    summary = (
        "chosen and rejected, after prompt, question, instruction or a list of turns (none where both sides begin with "
        "the same turns): pairs"
    )

    def matches(self, raw: Mapping[str, Any]) -> bool:
        return present(raw, "chosen", "rejected")

    def read(self, row: Row) -> Pair | Drop:
        """The row as a pair, or the reason why it is left out. Never raises for a faulty row."""
        fields = Fields(row.raw)
        try:
            return _pair(row, fields)
        except RowError as fault:
            return fault.drop(row.number)


PREFERENCE = PreferencePairs()


def _pair(row: Row, fields: Fields) -> Pair:
    chosen, rejected = _side(fields, "chosen"), _side(fields, "rejected")
    prompt, *answers = _parted(fields, chosen, rejected)
    prompt = with_calls_joined(with_system(fields, prompt))
    if prompt and prompt[-1].role == "assistant":
        raise RowError("prompt-ends-with-answer", "the prompt ends with the assistant's turn: nothing asks for another")
    for name, answer in zip(("chosen", "rejected"), answers, strict=True):
        check_answer(name, with_calls_joined(answer))
    read = [conversation(row, fields, [*prompt, *answer]) for answer in answers]
    begin = len(prompt)
    if any(place >= begin for one in read for place in one.untrained):
        raise RowError("unsupported-weight", "an answer that is compared is taken out of the loss by its weight")
    one, other = (found.messages[begin:] for found in read)
    if one == other:
        raise RowError("identical-answers", "chosen and rejected are the same answer")
    margin = margin_of(fields)
    return Pair(
        row=row,
        prompt=read[0].messages[:begin],
        chosen=one,
        rejected=other,
        source=read[0].source,
        tools=read[0].tools,
        margin=margin,
        unread=fields.unread(),
        unread_of_turns=read[0].unread_of_turns + read[1].unread_of_turns,
        remarks=(
            *(name for name in read[0].remarks if name != "untrained"),
            *(("scored-lower",) if margin is not None and margin < 0 else ()),
        ),
    )


def holds_prompt(raw: Mapping[str, Any]) -> bool:
    """Whether a side of a pair begins with a turn that asks; one that cannot be read does not."""
    for name in ("chosen", "rejected"):
        with suppress(RowError):
            if _holds_prompt(_side(Fields(raw), name)):
                return True
    return False


def _side(fields: Fields, name: str) -> list[Turn]:
    """A side's turns: an answer alone, or a conversation that ends in it. Raises a `RowError` where it is empty."""
    if name not in fields:
        raise RowError("missing-field", f"the field {name!r} is missing")
    value = with_turns(fields[name], name, answers=True)
    last = value[-1] if isinstance(value, list) and value else value
    if says_nothing(value) or _says_nothing(last):
        raise RowError(f"empty-{name}", f"the answer in {name!r} is empty")
    if isinstance(value, str) and is_transcript(value):
        turns = turns_of_transcript(value)
        if not turns[-1].text:
            raise RowError(f"empty-{name}", f"the transcript in {name!r} ends with a turn that says nothing")
        return turns
    return turns_of_value(value, fields, name, "assistant")


def _says_nothing(turn: Any) -> bool:
    """Whether an answer, text or turn, has neither text nor anything else beside its role."""
    if isinstance(turn, str):
        return not turn.strip()
    if not isinstance(turn, Mapping):
        return False
    return all(
        says_nothing(value) or (isinstance(value, str) and not value.strip())
        for field, value in turn.items()
        if field not in ("role", "from")
    )


def _parted(fields: Fields, chosen: list[Turn], rejected: list[Turn]) -> tuple[list[Turn], list[Turn], list[Turn]]:
    """Prompt, chosen answer, rejected answer."""
    asked, in_transcript = asked_or_told(fields)
    whole = [_holds_prompt(chosen), _holds_prompt(rejected)]
    if not any(whole):
        if not asked:
            raise RowError("missing-field", "there is no prompt: neither in a column, nor at the head of both sides")
        return (asked, stripped(chosen), stripped(rejected)) if in_transcript else (asked, chosen, rejected)
    if not all(whole):
        one, other = ("chosen", "rejected") if whole[0] else ("rejected", "chosen")
        raise RowError("prompt-differs", f"{one!r} begins with the prompt, {other!r} with an answer")
    begin = _parting(chosen, rejected)
    if all(not turn.text.strip() for turn in asked):
        asked = []  # a table's empty cell: the prompt is in both sides
    if asked and [turn.text.strip() for turn in asked] != [turn.text.strip() for turn in chosen[:begin][-len(asked) :]]:
        raise RowError("prompt-differs", "the prompt's column says something else than the turns that both sides share")
    return chosen[:begin], chosen[begin:], rejected[begin:]


def _holds_prompt(turns: Sequence[Turn]) -> bool:
    return turns[0].role not in _ANSWERING


def _parting(chosen: Sequence[Turn], rejected: Sequence[Turn]) -> int:
    """How many whole turns are the prompt: those shared, up to the last place where both sides go on with an answer."""
    alike = zip(map(_said, chosen), map(_said, rejected), strict=False)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], alike))
    if same == len(chosen) == len(rejected):
        raise RowError("identical-answers", "chosen and rejected are the same conversation")
    for name, own, others in (("chosen", chosen, rejected), ("rejected", rejected, chosen)):
        if same == len(own) and own[-1].role == "user" and others[same].role == "assistant":
            raise RowError(f"empty-{name}", f"{name!r} ends with the question that the other side answers")
        if same == len(own) and others[same].role == "user":
            raise RowError("answer-has-user-turn", f"one side goes on with a question where {name!r} ends")
    if any(same < len(turns) and turns[same].role not in _ANSWERING for turns in (chosen, rejected)):
        raise RowError("prompt-differs", f"the two sides part at turn {same + 1}, which is no answer on both")
    while same > 0 and not all(same < len(t) and t[same].role == "assistant" for t in (chosen, rejected)):
        same -= 1
    return same


def _said(turn: Turn) -> tuple[Any, ...]:
    return turn.role, turn.text, turn.reasoning, turn.calls


def check_answer(name: str, answer: Sequence[Turn]) -> None:
    """Raise a `RowError` if an answer has anybody's turns but the assistant's and its tools', or answers twice."""
    for turn in answer:
        if turn.role not in _ANSWERING:
            raise RowError("answer-has-user-turn", f"{name!r} holds a {turn.role} turn after the prompt")
    if answer[0].role != "assistant":
        raise RowError("prompt-differs", f"{name!r} begins with a tool's result, which the prompt should hold")
    if any(one.role == other.role == "assistant" for one, other in itertools.pairwise(answer)):
        raise RowError("several-answer-turns", f"{name!r} holds two answers in a row")
    if answer[-1].role != "assistant":
        raise RowError(f"empty-{name}", f"{name!r} ends with a tool's result, not with an answer")
