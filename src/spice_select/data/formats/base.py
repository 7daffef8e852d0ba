"""The port of a format, and the faults of a single row."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from spice_select.data.records import Conversation, Drop, Row


class Format(Protocol):
    """A way rows are laid out.

    A new format is a new file with one class, one line in ``detect.FORMATS`` and one row in the table of tests.
    """

    name: str

    def describe(self) -> str:
        """The format in one line for people: its name and the fields it reads."""

    def matches(self, raw: Mapping[str, Any]) -> bool:
        """Whether a row has the fields of this format (null fields count as absent)."""

    def read(self, row: Row) -> Conversation | Drop:
        """The row as a conversation, or the reason why it is left out. Never raises for a faulty row."""


class RowError(Exception):
    """A single row cannot be used. Carries the reason's short name; becomes a `Drop`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def drop(self, row: int) -> Drop:
        return Drop(row=row, reason=self.reason, detail=self.detail)


def present(raw: Mapping[str, Any], *fields: str) -> bool:
    """Whether all fields are there and not null."""
    return all(raw.get(field) is not None for field in fields)


def required_text(raw: Mapping[str, Any], field: str) -> str:
    """A field that has to be a string (a number counts as its digits), else a `RowError`."""
    value = raw.get(field)
    if value is None:
        raise RowError("missing-field", f"the field {field!r} is missing")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError("content-not-text", f"the field {field!r} is of type {type(value).__name__}, not a string")
    return str(value)


def optional_text(raw: Mapping[str, Any], field: str) -> str:
    """As `required_text`, with "" where the field is missing."""
    return required_text(raw, field) if present(raw, field) else ""


def source_of(raw: Mapping[str, Any]) -> str:
    """The group of a row: its ``source``, else its ``dataset`` column, else "" (only strings count)."""
    for field in ("source", "dataset"):
        value = raw.get(field)
        if isinstance(value, str) and value:
            return value
    return ""


def tools_of(raw: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The row's ``tools``: a list of JSON schemas, or the same as a JSON string; a `RowError` if it is neither."""
    value = raw.get("tools")
    if isinstance(value, str):
        value = _json(value) if value.strip() else None
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise RowError("broken-tools", "the field 'tools' is not a list of JSON schemas")
    return tuple(value)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
