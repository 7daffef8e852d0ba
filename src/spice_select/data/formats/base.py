"""The port of a format, and the faults of a single row."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from spice_select.data.formats.fields import Fields, absent, is_word_for_missing
from spice_select.data.records import Conversation, Drop, Row


class Format(Protocol):
    """A way rows are laid out.

    A new format is a file with a class, a line in `spice_select.data.formats.FORMATS` and a row in
    ``tests/data/cases.py``.
    """

    @property
    def name(self) -> str:
        """What `--format` calls it."""
        ...

    @property
    def summary(self) -> str:
        """The fields it reads, in one line for people."""
        ...

    def matches(self, raw: Mapping[str, Any]) -> bool:
        """Whether a row has the fields of this format (null fields count as absent)."""

    def read(self, row: Row) -> Conversation | Drop:
        """The row as a conversation, or the reason why it is left out. Never raises for a faulty row.

        This is the one way from a raw row to turns: the selection, the trainings and the exports all take it.
        """


class Described(Protocol):
    """What can be said in a line of whoever reads rows: a `Format`, or what reads pairs."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...


def described(row_format: Described) -> str:
    """A format in one line for people: its name and the fields it reads."""
    return f"{row_format.name}: {row_format.summary}"


class RowError(Exception):
    """A single row cannot be used. Carries the reason's short name; becomes a `Drop`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def drop(self, row: int) -> Drop:
        return Drop(row=row, reason=self.reason, detail=self.detail)


def present(raw: Mapping[str, Any], *fields: str) -> bool:
    """Whether all fields are there and neither null nor NaN."""
    return all(not absent(raw.get(field)) for field in fields)


def required_text(raw: Mapping[str, Any], field: str) -> str:
    """A field that has to be a string (a number counts as its digits), else a `RowError`.

    What a person should know of it becomes a remark of `Fields`.
    """
    value = raw.get(field)
    if absent(value):
        raise RowError("missing-field", f"the field {field!r} is missing")
    if isinstance(value, float):
        return digits(value, raw, field)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowError("content-not-text", f"the field {field!r} is of type {type(value).__name__}, not a string")
    if isinstance(raw, Fields) and isinstance(value, str) and is_word_for_missing(value):
        raw.remarks.append("words-for-missing")
    return str(value)


def digits(value: float, raw: Mapping[str, Any], field: str) -> str:
    """A float as text. Whole numbers lose their ``.0``: a table keeps whole numbers as floats once one is missing.

    What a person should know of it becomes a remark of `Fields`; a `RowError` where a float does not keep the digits.
    """
    if math.isinf(value):
        raise RowError("content-not-text", f"the field {field!r} holds an infinite number")
    if not value.is_integer():
        return str(value)
    if abs(value) > 2**53:
        raise RowError("content-not-text", f"the field {field!r} holds {value}, whose digits a float does not keep")
    if isinstance(raw, Fields):
        raw.remarks.append("whole-numbers")
    return str(int(value))


def number_in(value: Any) -> float | None:
    """The number that a value is, as a table's decimal too, or that its text holds; None for words and other values."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number beyond any float
        return math.inf
    except ValueError:
        return None


def optional_text(raw: Mapping[str, Any], field: str) -> str:
    """As `required_text`, with "" where the field is missing."""
    return "" if absent(raw.get(field)) else required_text(raw, field)


def source_of(raw: Mapping[str, Any]) -> str:
    """The group of a row: its ``source``, else its ``dataset`` column, else "".

    A whole number counts as its digits; of `Fields`, a value that names no group stays unread, and is so named.
    """
    for field in ("source", "dataset"):
        name = group_name(raw.peek(field) if isinstance(raw, Fields) else raw.get(field))
        if name:
            raw[field]
            return name
    return ""


def group_name(value: Any) -> str:
    """What a group of rows is called by a value: a text as it is, a whole number by its digits, "" by any other."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return str(int(value))  # a table keeps whole numbers as floats once one is missing
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
