"""From raw turns to checked messages: the roles, what their content may be, and the order they may stand in."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spice_select.data.formats.base import RowError, source_of, tools_of
from spice_select.data.records import Conversation, Row

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
"""What a turn may be called, and the role it has."""

_KEPT = ("name", "tool_calls", "tool_call_id", "reasoning_content")
"""Fields of a message that templates know, passed on where they are there."""


def conversation(row: Row, messages: Iterable[dict[str, Any]]) -> Conversation:
    """The checked conversation of a row; a `RowError` where its turns cannot be trained on."""
    checked = tuple(messages)
    check_turns(checked)
    source, tools = source_of(row.raw), tools_of(row.raw)
    for number, turn in enumerate(checked, start=1):
        check_unicode(turn, f"turn {number}")
    check_unicode([source, tools], "the source or the tools")
    return Conversation(row=row, messages=checked, source=source, tools=tools)


def message(turn: Any, number: int, *, role_key: str = "role", content_key: str = "content") -> dict[str, Any]:
    """One raw turn as ``{"role", "content", ...}``; `number` counts from 1 and is for the message to people."""
    if not isinstance(turn, Mapping):
        raise RowError("not-a-turn", f"turn {number} is of type {type(turn).__name__}, not an object")
    if turn.get(role_key) is None:
        raise RowError("missing-field", f"turn {number} has no {role_key!r}")
    role = ROLES.get(str(turn[role_key]).strip().lower())
    if role is None:
        raise RowError("unknown-role", f"turn {number} has the role {turn[role_key]!r}; known are {', '.join(ROLES)}")
    kept = {key: turn[key] for key in _KEPT if turn.get(key) not in (None, [], "")}
    check_calls(kept.get("tool_calls", []), number)
    return {"role": role, "content": text_of(turn.get(content_key), number), **kept}


def check_calls(calls: Any, number: int) -> None:
    """Raise a `RowError` unless `calls` is a list of ``{"function": {"name": …}}`` or ``{"name": …}``."""
    if not isinstance(calls, list):
        raise RowError("broken-tool-call", f"the tool calls of turn {number} are not a list")
    for call in calls:
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise RowError("broken-tool-call", f"a tool call of turn {number} has no function with a name")


def text_of(content: Any, number: int) -> str:
    """The text of a turn: a string, or the joined text parts of a list that holds nothing but text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_part(part, number) for part in content)
    raise RowError("content-not-text", f"turn {number} has content of type {type(content).__name__}, not a string")


def _part(part: Any, number: int) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type", "text") == "text" and isinstance(part.get("text"), str):
        return part["text"]
    kind = part.get("type", "?") if isinstance(part, Mapping) else type(part).__name__
    raise RowError("content-not-text", f"turn {number} holds a part of type {kind!r}; only text can be used")


def check_unicode(content: Any, where: str) -> None:
    """Raise a `RowError` for lone surrogates: halves of characters, which JSON can hold and tokenizers refuse."""
    try:
        json.dumps(content, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise RowError("not-unicode", f"{where} holds {half}, one half of a character that was cut in two") from error


def check_turns(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise a `RowError` for empty turns, two turns of one side in a row, or no assistant turn."""
    for number, turn in enumerate(messages, start=1):
        says_nothing = not turn["content"].strip() and not turn.get("tool_calls")
        # an empty system prompt and an empty tool result mean something; an empty question or answer does not
        if says_nothing and turn["role"] in ("user", "assistant"):
            raise RowError("empty-turn", f"turn {number} ({turn['role']}) is empty")
    for number, (one, other) in enumerate(itertools.pairwise(messages), start=2):
        if one["role"] == other["role"] != "tool":
            raise RowError("consecutive-turns", f"turns {number - 1} and {number} are both {one['role']} turns")
    if all(turn["role"] != "assistant" for turn in messages):
        raise RowError("no-assistant-turn", f"none of the {len(messages)} turns is the assistant's")
