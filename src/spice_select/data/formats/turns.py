"""From raw turns to checked messages: the roles, what their content may be, and the order they may stand in."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spice_select.data.formats.base import RowError, optional_text, source_of
from spice_select.data.formats.calls import Call, calls_in_text, calls_of, tools_of, writes_calls
from spice_select.data.formats.content import content_of, is_parts_in_text, reasoning_of
from spice_select.data.formats.fields import Fields
from spice_select.data.formats.kinds import refuse_media
from spice_select.data.formats.marks import may_be_marked, refuse_bad_answer
from spice_select.data.formats.roles import ROLES
from spice_select.data.formats.thoughts import (
    begins_with_thought,
    is_unfinished_thought,
    says_nothing_aloud,
    thought_and_said,
)
from spice_select.data.formats.weights import answer_is_trained, answers_taken_out, pass_over_weight
from spice_select.data.plain import json_text
from spice_select.data.records import Conversation, Drop, Row

_CALL_ROLES = ("function_call", "tool_call")
"""Turns whose text is the JSON of a call."""

SYSTEM_COLUMNS = ("system", "system_prompt", "system_message")
"""Columns that hold the system turn."""


_MEANT = 12
"""Characters of a question that an answer does not begin with by chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One turn as it was read.

    Attributes:
        role: system, user, assistant or tool.
        text: what it says, "" for nothing.
        reasoning: what comes before an answer, "" for nothing.
        calls: tools it calls.
        names: its ``name`` and ``tool_call_id``, where they are there.
        trained: whether the row leaves it in the loss (answers only).
        only_calls: whether its role says that it is a call, as such turns may follow an answer.
        tools: the tools that a system turn brings.
        unread: its fields that nobody read.
        remarks: what was noticed in reading it.
    """

    role: str
    text: str
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    trained: bool = True
    only_calls: bool = False
    tools: tuple[dict[str, Any], ...] = ()
    unread: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def message(self, tools: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The turn as templates take it."""
        reasoning = {"reasoning_content": self.reasoning} if self.reasoning else {}
        calls = {"tool_calls": [call.shown(tools) for call in self.calls]} if self.calls else {}
        return {"role": self.role, "content": self.text, **reasoning, **calls, **dict(self.names)}


def read_turns(row: Row, turns: Callable[[Fields], Iterable[Turn]]) -> Conversation | Drop:
    """What a format makes of a row, whose turns it reads from its fields; never raises for a faulty row."""
    fields = Fields(row.raw)
    try:
        found = conversation(row, fields, turns(fields))
        return replace(found, remarks=(*found.remarks, "label-unread")) if may_be_marked(fields) else found
    except RowError as fault:
        return fault.drop(row.number)


def conversation(row: Row, fields: Fields, turns: Iterable[Turn]) -> Conversation:
    """The checked conversation of a row, whose `fields` the format has read its `turns` from.

    Raises:
        RowError: its turns cannot be trained on, or its other fields make it another thing than text to be learnt.
    """
    refuse_media(fields, "the row")
    refuse_bad_answer(fields)
    whole = with_calls_joined(with_system(fields, list(turns)))
    joined = [_thought_once(turn, number) for number, turn in enumerate(whole, start=1)]
    tools = _tools(fields, joined)
    messages = tuple(turn.message(tools) for turn in joined)
    check_turns(messages)
    source = source_of(fields)
    for number, message in enumerate(messages, start=1):
        check_unicode(message, f"turn {number}")
    check_unicode([source, tools], "the source or the tools")
    untrained, remarks = _untrained(fields, joined)
    if any(call.is_padded(tools) for turn in joined for call in turn.calls):
        remarks.append("null-arguments")
    answered = [turn.text for turn in joined if turn.role == "assistant"]
    remarks += ["thought-unfinished" for text in answered if is_unfinished_thought(text)]
    remarks += ["question-in-answer" for one, other in itertools.pairwise(joined) if _repeats(one, other)]
    return Conversation(
        row=row,
        messages=messages,
        source=source,
        tools=tools,
        untrained=untrained,
        unread=fields.unread(),
        unread_of_turns=tuple(name for turn in joined for name in turn.unread),
        remarks=(*dict.fromkeys([*fields.remarks, *(name for turn in joined for name in turn.remarks)]), *remarks),
    )


def turn_of(raw: Any, number: int, *, role_key: str = "role", content_key: str = "content") -> Turn:
    """One raw turn; `number` counts from 1 and is for the message to people."""
    if not isinstance(raw, Mapping):
        raise RowError("not-a-turn", f"turn {number} is of type {type(raw).__name__}, not an object")
    fields = Fields(raw)
    if role_key not in fields:
        raise RowError("missing-field", f"turn {number} has no {role_key!r}")
    called = str(fields[role_key]).strip().lower()
    role = ROLES.get(called)
    if role is None:
        raise RowError("unknown-role", f"turn {number} has the role {raw[role_key]!r}; known are {', '.join(ROLES)}")
    refuse_media(fields, f"turn {number}")
    field = "parts" if content_key not in fields and isinstance(fields.peek("parts"), list) else content_key
    text, thoughts, unread = content_of(fields.get(field), number)
    if role != "tool" and is_parts_in_text(text):
        fields.remarks.append("parts-in-text")
    if thoughts and role != "assistant":
        raise RowError("content-not-text", f"turn {number} ({role}) holds a part of reasoning; only answers can")
    names = tuple((key, fields[key]) for key in _names(role) if isinstance(fields.peek(key), str) and fields.peek(key))
    turn = Turn(role=role, text=text, names=names)
    if role == "assistant":
        turn = _answer(turn, fields, thoughts, number, only_calls=called in _CALL_ROLES)
    else:
        pass_over_weight(fields)
        turn = replace(turn, tools=tools_of(fields) if role == "system" else ())
    left = (*fields.unread(), *unread, *(name for call in turn.calls for name in call.unread))
    _refuse_empty(turn, number, left)
    return replace(turn, unread=left, remarks=tuple(fields.remarks))


def _answer(turn: Turn, fields: Fields, thoughts: Sequence[str], number: int, *, only_calls: bool) -> Turn:
    text, calls = turn.text, calls_of(fields, number)
    if only_calls and not calls and (found := calls_in_text(text, number)):
        text, calls = found
    if calls and writes_calls(text):
        fields.remarks.append("calls-in-text")
    return replace(
        turn,
        text=text,
        reasoning=reasoning_of(fields, thoughts, number),
        calls=calls,
        trained=answer_is_trained(fields, number),
        only_calls=only_calls and bool(calls),
    )


def _names(role: str) -> tuple[str, ...]:
    return ("name", "tool_call_id") if role == "tool" else ("name",)


def _refuse_empty(turn: Turn, number: int, unread: Sequence[str]) -> None:
    # an empty system prompt and an empty tool result mean something; an empty question or answer does not
    if _lacks_words(turn.role, turn.text) and not turn.calls:
        left = f"; it has {', '.join(unread)}, which cannot be read" if unread else ""
        left = "; it has reasoning and no answer" if turn.reasoning or turn.text.strip() else left
        raise RowError("empty-turn", f"turn {number} ({turn.role}) is empty{left}")


def _lacks_words(role: str, text: str) -> bool:
    return (role == "user" and not text.strip()) or (role == "assistant" and says_nothing_aloud(text))


def with_system(fields: Fields, turns: list[Turn]) -> list[Turn]:
    """The turns, begun with the row's ``system`` column where they have no system turn of their own."""
    has_own = bool(turns) and turns[0].role == "system"
    for field in SYSTEM_COLUMNS:
        if field not in fields or not isinstance(fields.peek(field), str | list | int | float):
            continue
        value = fields.peek(field)
        given = Fields({field: value})
        text = content_of(value, 0)[0] if isinstance(value, list) else optional_text(given, field)
        if not text:
            continue
        if has_own and turns[0].text.strip() != text.strip():
            continue  # left unread, and so named
        fields[field]
        if not has_own:
            fields.remarks += given.remarks
            turns.insert(0, Turn(role="system", text=text))
            has_own = True
    return turns


def with_calls_joined(turns: Iterable[Turn]) -> list[Turn]:
    """The turns, with each that only calls put into the answer before it: several calls at once are one turn."""
    joined: list[Turn] = []
    for turn in turns:
        last = joined[-1] if joined else None
        mergeable = turn.only_calls and not turn.text and not turn.reasoning
        if last is not None and last.role == "assistant" and mergeable and last.trained == turn.trained:
            joined[-1] = replace(last, calls=(*last.calls, *turn.calls), unread=(*last.unread, *turn.unread))
        else:
            joined.append(turn)
    return joined


def _thought_once(turn: Turn, number: int) -> Turn:
    """The turn without its reasoning where the same stands in its text; a `RowError` where that begins with other.

    So it does in a block, or before a ``</think>`` that nothing opens. A block in the middle of an answer may be what
    it is about.
    """
    if not turn.reasoning or not (written := thought_and_said(turn.text)[0].strip()):
        return turn
    if written != turn.reasoning.strip():
        if not begins_with_thought(turn.text):
            return turn
        raise RowError(
            "conflicting-fields", f"turn {number} holds one reasoning in its text and another in a field of its own"
        )
    return replace(turn, reasoning="")


def _tools(fields: Fields, turns: Iterable[Turn]) -> tuple[dict[str, Any], ...]:
    found = [tools for tools in (tools_of(fields), *(turn.tools for turn in turns)) if tools]
    if any(other != found[0] for other in found[1:]):
        raise RowError("conflicting-fields", "the row and its turns bring different tools")
    return found[0] if found else ()


def _repeats(asked: Turn, answer: Turn) -> bool:
    """Whether an answer begins with the whole question, as where a column holds the prompt and the answer."""
    question = asked.text.strip()
    told = (asked.role, answer.role) == ("user", "assistant") and len(question) >= _MEANT
    return told and answer.text.lstrip().startswith(question)


def _untrained(fields: Fields, turns: Sequence[Turn]) -> tuple[frozenset[int], list[str]]:
    """The answers that are read, not learnt: those that the row says, and those that answer nothing."""
    answers = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
    asked = next((place for place, turn in enumerate(turns) if turn.role == "user"), len(turns))
    said = {*answers_taken_out(fields, answers, len(turns)), *(p for p in answers if not turns[p].trained)}
    unasked = {place for place in answers if place < asked} - said
    if len(said) == len(answers):
        raise RowError("no-trained-turn", "the row takes all of its answers out of the loss")
    if len(said | unasked) == len(answers):
        raise RowError("missing-field", "there is no question before the answer")
    return frozenset(said | unasked), ["untrained"] * len(said) + ["no-question"] * len(unasked)


def check_unicode(content: Any, where: str) -> None:
    """Raise a `RowError` for lone surrogates: halves of characters, which JSON can hold and tokenizers refuse."""
    try:
        json_text(content).encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise RowError("not-unicode", f"{where} holds {half}, one half of a character that was cut in two") from error


def check_turns(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise a `RowError` for empty turns, two turns of one side in a row, or no assistant turn."""
    for number, turn in enumerate(messages, start=1):
        if _lacks_words(turn["role"], turn["content"]) and not turn.get("tool_calls"):
            left = "; it has reasoning and no answer" if turn["content"].strip() else ""
            raise RowError("empty-turn", f"turn {number} ({turn['role']}) is empty{left}")
    for number, (one, other) in enumerate(itertools.pairwise(messages), start=2):
        if one["role"] == other["role"] != "tool":
            raise RowError("consecutive-turns", f"turns {number - 1} and {number} are both {one['role']} turns")
    if all(turn["role"] != "assistant" for turn in messages):
        raise RowError("no-assistant-turn", f"none of the {len(messages)} turns is the assistant's")
