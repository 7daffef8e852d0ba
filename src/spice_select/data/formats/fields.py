"""Fields that remember who read them: what says nothing is absent, and what nobody read can be named."""

import math
from collections.abc import Iterator, Mapping
from typing import Any


def absent(value: Any) -> bool:
    """Whether a value stands for a missing one: null, or the NaN that tables of numbers have in its place."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_word_for_missing(text: str) -> bool:
    """Whether a text is what tables write for a missing value; an answer may be such a word all the same."""
    return text.strip().lower() in ("nan", "null", "none", "<na>")


def says_nothing(value: Any) -> bool:
    """Whether nothing is lost without the value: absent, empty, or holding only such values at any depth."""
    if isinstance(value, Mapping):
        return all(says_nothing(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(says_nothing(item) for item in value)
    return absent(value) or value in ("", b"")


class Fields(Mapping[str, Any]):
    """The fields of a row, a turn or a tool call, without the absent ones.

    Columnar files give every object the fields of all the others and fill them with null; so a null field and a field
    that is not there are the same. Looking a field up marks it as read; `peek` and ``in`` do not.

    Attributes:
        remarks: what the reader took note of, as names known to `spice_select.data.encoding.notes`.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._given = {name: value for name, value in raw.items() if not absent(value)}
        self._read: set[str] = set()
        self.remarks: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._given[name]

    def __contains__(self, name: object) -> bool:
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def peek(self, name: str) -> Any:
        """The value without marking the field as read; None where it is absent."""
        return self._given.get(name)

    def unread(self) -> tuple[str, ...]:
        """The fields that hold something and that nobody looked up."""
        return tuple(str(k) for k, v in self._given.items() if k not in self._read and not says_nothing(v))


def unpadded(value: Any, schema: Any = None) -> Any:
    """A JSON value without the null fields of its objects, at any depth; a null in a list has its place and stays.

    Args:
        value: anything JSON can hold.
        schema: the JSON schema of the value where it is known: a field that it requires, or allows to be null, keeps
            its null.
    """
    if isinstance(value, Mapping):
        known = _fields_of(schema)
        return {
            name: None if absent(item) else unpadded(item, known.get(name))
            for name, item in value.items()
            if not absent(item) or _may_be_null(name, schema)
        }
    if isinstance(value, list | tuple):
        return [None if absent(item) else unpadded(item, _items_of(schema)) for item in value]
    return value


def has_padding(value: Any, schema: Any = None) -> bool:
    """Whether `unpadded` takes a field off any object in a JSON value."""
    if isinstance(value, Mapping):
        known = _fields_of(schema)
        return any(
            not _may_be_null(name, schema) if absent(item) else has_padding(item, known.get(name))
            for name, item in value.items()
        )
    return isinstance(value, list | tuple) and any(has_padding(item, _items_of(schema)) for item in value)


def _fields_of(schema: Any) -> Mapping[str, Any]:
    known = schema.get("properties") if isinstance(schema, Mapping) else None
    return known if isinstance(known, Mapping) else {}


def _items_of(schema: Any) -> Any:
    return schema.get("items") if isinstance(schema, Mapping) else None


def _may_be_null(name: str, schema: Any) -> bool:
    """Whether the schema of an object says that a null field of it is its author's."""
    required = _list(schema.get("required")) if isinstance(schema, Mapping) else []
    return name in required or _allows_null(_fields_of(schema).get(name))


def _allows_null(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    kind, values = schema.get("type"), schema.get("enum")
    choices = [*_list(schema.get("anyOf")), *_list(schema.get("oneOf"))]
    return (
        kind == "null"
        or "null" in _list(kind)
        or None in _list(values)
        or schema.get("nullable") is True
        or any(_allows_null(choice) for choice in choices)
    )


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
