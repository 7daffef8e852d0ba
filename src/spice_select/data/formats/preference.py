"""The chosen answers of preference pairs, read as answers like any other where that is asked for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spice_select.data.formats.alpaca import history_of, instruction_of
from spice_select.data.formats.base import present
from spice_select.data.formats.fields import Fields, says_nothing
from spice_select.data.formats.messages import turns_in
from spice_select.data.formats.transcripts import is_transcript, turns_of_transcript
from spice_select.data.formats.turns import Turn, read_turns
from spice_select.data.formats.two_columns import in_prompt, side, with_context
from spice_select.data.records import Conversation, Drop, Row

_PROMPTS: dict[str, tuple[str, ...]] = {"prompt": (), "question": ("context",), "query": ()}
"""Columns that ask, and those of context that go below, as in question/answer."""
_OTHERS = ("instruction", "input", "messages", "conversations", "conversation")


class ChosenAnswer:
    """The chosen answers of preference pairs; the rejected ones are not looked at.

    The prompt may be missing where ``chosen`` is a list of messages, or a transcript, that begins with it. It ends with
    the last question; earlier answers are not learnt, as they are not in a pair.
    """

    name = "chosen"
    summary = (
        "prompt, question or instruction (optional where chosen holds it) → chosen, out of preference pairs; "
        "rejected is not used"
    )

    def matches(self, raw: Mapping[str, Any]) -> bool:
        return present(raw, "chosen", "rejected")

    def read(self, row: Row) -> Conversation | Drop:
        return read_turns(row, _turns)


def _turns(fields: Fields) -> list[Turn]:
    chosen = _told(fields, "chosen") or side(fields, "chosen", "assistant")
    answer = next((place for place, turn in enumerate(chosen) if turn.role == "assistant"), len(chosen))
    if any(turn.role == "user" for turn in chosen[:answer]):
        _read_if_the_same(fields, chosen[:answer])
        asked, answers = parted_at_question(chosen)
        return [*in_prompt(asked), *answers]
    asked, in_transcript = asked_or_told(fields)
    return [*in_prompt(asked), *(stripped(chosen) if in_transcript else chosen)]


def _told(fields: Fields, field: str) -> list[Turn]:
    """The turns of a column that holds a transcript; none if it holds anything else."""
    value = fields.peek(field)
    return turns_of_transcript(fields[field]) if isinstance(value, str) and is_transcript(value) else []


def asked_or_told(fields: Fields) -> tuple[list[Turn], bool]:
    """The prompt's turns from its own column, and whether that is a transcript.

    A transcript's last, empty answer only shows where the answer goes.
    """
    asked = asked_in(fields)
    if len(asked) != 1 or not is_transcript(asked[0].text):
        return asked, False
    turns = turns_of_transcript(asked[0].text)
    return (turns if turns[-1].text else turns[:-1]), True


def parted_at_question(turns: list[Turn]) -> tuple[list[Turn], list[Turn]]:
    """A conversation's turns up to its last question, and those after it."""
    asked = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=-1) + 1
    return turns[:asked], turns[asked:]


def stripped(answer: list[Turn]) -> list[Turn]:
    """What follows a transcript's ``Assistant:`` has a space before it, which is the transcript's."""
    return [replace(turn, text=turn.text.strip()) for turn in answer]


def asked_in(fields: Fields) -> list[Turn]:
    """The turns before the chosen answer, from whichever columns hold them; none if no column does.

    An empty column of text asks only where no other one does.
    """
    told = [field for field in _PROMPTS if field in fields]
    said = [field for field in told if not _is_blank(fields.peek(field))]
    if said:
        return _asked(fields, said[0])
    if "instruction" in fields:
        return [*history_of(fields), Turn(role="user", text=instruction_of(fields))]
    if "input" in fields:
        return [*history_of(fields), *side(fields, "input", "user")]
    return turns_in(fields) or (_asked(fields, told[0]) if told else [])


def _asked(fields: Fields, field: str) -> list[Turn]:
    return [*history_of(fields), *with_context(side(fields, field, "user"), fields, _PROMPTS[field])]


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def asks(raw: Mapping[str, Any]) -> bool:
    """Whether a column of the row asks, beside its answers; an empty one does not."""
    told = (raw.get(field) for field in (*_PROMPTS, *_OTHERS))
    return any(not says_nothing(value) and not _is_blank(value) for value in told)


def _read_if_the_same(fields: Fields, asked: list[Turn]) -> None:
    """Read the prompt column beside a chosen conversation that holds it; another prompt is left unread, and named."""
    given = Fields({"prompt": fields.peek("prompt")})
    if "prompt" in given and [turn.text for turn in side(given, "prompt", "user")][-1] == asked[-1].text:
        fields["prompt"]
