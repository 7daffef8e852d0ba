"""What a turn says: its text, and the reasoning that stands in a field or a part of its own."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from spice_select.data.formats.base import RowError
from spice_select.data.formats.fields import Fields, absent
from spice_select.data.formats.kinds import holds_media, names_media
from spice_select.data.json_texts import parsed_text

REASONING_NAMES = ("reasoning_content", "reasoning", "thinking", "thinking_content", "reasoning_text", "thought")
"""Names of the reasoning before an answer, in turns; the first is the one it has from here on."""

_PARTS_IN_TEXT = re.compile(r"""\s*\[\s*\{\s*"[a-z_]+"\s*:""")

_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")


def text_of(content: Any, number: int) -> str:
    """The text of a turn: a string, or the joined text parts of a list that holds nothing but text."""
    text, thoughts, _ = content_of(content, number)
    if thoughts:
        raise RowError("content-not-text", f"{_where(number)} holds a part of type 'thinking' where only text can be")
    return text


def content_of(content: Any, number: int) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The text of a turn, the reasoning among its parts, and the fields of its parts that were not read.

    A `RowError` if it holds anything else.
    """
    if absent(content):
        return "", (), ()
    if isinstance(content, str):
        return content, (), ()
    if not isinstance(content, list):
        said = f"{_where(number)} has content of type {type(content).__name__}, not a string"
        raise RowError("content-not-text", said)
    if len(content) > 1 and any(isinstance(part, str) for part in content):
        detail = f"{_where(number)} holds a list of bare texts, and nothing says what stands between them"
        raise RowError("content-not-text", f"{detail}; join them, or make each a part of type 'text'")
    texts: list[str] = []
    thoughts: list[str] = []
    unread: list[str] = []
    for part in content:
        kind, text, left = _part(part, number)
        (thoughts if kind in _THOUGHT_PARTS else texts).append(text)
        unread += [f"content.{name}" for name in left]
    return "".join(texts), tuple(thoughts), tuple(unread)


def _where(number: int) -> str:
    """A turn by its number; 0 is a column that holds the content of one."""
    return f"turn {number}" if number else "a column of the row"


def is_parts_in_text(text: str) -> bool:
    """Whether a text is the JSON of a list of parts: it may be what a turn says, or its content written as text."""
    if not _PARTS_IN_TEXT.match(text):
        return False
    try:
        parts = parsed_text(text)
    except ValueError:
        return False
    return all(isinstance(part, Mapping) and _is_part_kind(part.get("type")) for part in parts)


def _is_part_kind(kind: Any) -> bool:
    return isinstance(kind, str) and (kind in (*_TEXT_PARTS, *_THOUGHT_PARTS) or names_media(kind))


def reasoning_of(turn: Fields, thoughts: Iterable[str], number: int) -> str:
    """The reasoning before an answer, "" if there is none; a `RowError` if two fields hold different ones."""
    found = ["".join(thoughts)]
    for field in REASONING_NAMES:
        if isinstance(turn.peek(field), str | list):
            found.append(text_of(turn[field], number))
    said = [text for text in found if text.strip()]
    if len({text.strip() for text in said}) > 1:
        where = f"turn {number}" if number else "the row"
        names = ", ".join(REASONING_NAMES)
        raise RowError("conflicting-fields", f"{where} holds different reasoning in two of {names}")
    return said[0] if said else ""


def reasoning_column(row: Fields) -> str:
    """The reasoning before the answer of a row that holds it in a column: ``reasoning_content`` or ``thinking``.

    A column called ``reasoning`` may be anyone's (a judge's, a worked solution), so it is left unread, and named.
    """
    columns = Fields({name: row[name] for name in ("reasoning_content", "thinking") if isinstance(row.peek(name), str)})
    return reasoning_of(columns, (), 0) if columns else ""


def _part(part: Any, number: int) -> tuple[str, str, tuple[str, ...]]:
    """A part's kind, its text, and its fields that were not read."""
    if isinstance(part, str):
        return "text", part, ()
    if isinstance(part, Mapping):
        fields = Fields(part)
        kind = fields.get("type", "text")
        if kind in _TEXT_PARTS and isinstance(fields.get("text"), str) and not _media(part):
            is_thought = fields.get("thought") is True  # Gemini's way to mark reasoning
            return "thinking" if is_thought else "text", fields["text"], fields.unread()
        if kind in _THOUGHT_PARTS and (text := _thought(fields, number)):
            return kind, text, fields.unread()
    raise RowError("content-not-text", f"{_where(number)} holds {_fault(part)}")


def _fault(part: Any) -> str:
    """Why a part is no text, in words."""
    if not isinstance(part, Mapping):
        return f"a part of type {type(part).__name__!r}; only text can be used"
    kind = part.get("type") or _media(part) or "?"
    if kind in (*_TEXT_PARTS, *_THOUGHT_PARTS) and not _media(part):
        field = kind if kind in _THOUGHT_PARTS else "text"
        there = ", ".join(name for name in Fields(part) if name != "type") or "nothing"
        return f"a part of type {kind!r} without a string in {field!r}: it has {there}"
    return f"a part of type {kind!r}; only text can be used"


def _thought(fields: Fields, number: int) -> str:
    field = next((name for name in ("thinking", "reasoning", "text") if name in fields), None)
    return text_of(fields[field], number) if field else ""


def _media(part: Mapping[str, Any]) -> str | None:
    return next((name for name, value in part.items() if holds_media(name, value)), None)
