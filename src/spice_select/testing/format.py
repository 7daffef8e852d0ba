"""The contract of a row format, as a suite for yours: `check_format` raises AssertionError naming what is broken."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from spice_select.data.formats import Format
from spice_select.data.formats.fields import says_nothing
from spice_select.data.records import Conversation, Drop, Row

_Raw = dict[str, Any]

JUNK: tuple[Any, ...] = (
    None,
    math.nan,
    math.inf,
    True,
    7,
    "",
    "[",
    "{'a': 1}",
    "half a pair \ud83d",
    b"\x00",
    [],
    {},
    [None],
    [["a"]],
    [{"role": "user"}],
    {"a": {"b": None}},
)
"""What a faulty row may hold anywhere."""

_EXTRA = "a field that nobody knows"
_ROLES = {"system", "user", "assistant", "tool"}


def check_format(row_format: Format, rows: Sequence[_Raw]) -> None:
    """Try to refute what `Format` promises, on rows of the format and on all that can be broken in them.

    A faulty row never raises; nulls that a table pads objects with and the order of fields change nothing; every
    field is read or named as unread; nothing is trained on that answers no question; rows are left as they are.

    Args:
        row_format: to be tested.
        rows: one or more that it reads, in as many shapes as it knows; of each field that it reads, one holds it.

    Raises:
        AssertionError: with the promise that is broken.
    """
    name = row_format.name
    assert rows, f"{name}: give a row to test it on"
    assert not row_format.matches({}), f"{name} matches a row without fields"
    assert not row_format.matches({_EXTRA: "x"}), f"{name} matches a row of other fields"
    for raw in rows:
        said = _conversation(row_format, raw)
        assert row_format.matches(raw), f"{name} reads a row that it does not match: {raw}"
        assert any(field in row_format.summary for field in raw), f"{name}: its summary names no field of {raw}"
        _check_conversation(name, said)
        _check_same(row_format, said, _padded(raw), "padded with nulls")
        _check_same(row_format, said, _backwards(raw), "with its fields in another order")
        _check_fields(row_format, raw, said)
        for broken in _broken(raw):
            _check_broken(row_format, broken)


def _read(row_format: Format, raw: _Raw) -> Conversation | Drop:
    row = Row(number=5, raw=raw, where="rows.jsonl:6")
    before = copy.deepcopy(raw)
    try:
        found, matched = row_format.read(row), row_format.matches(raw)
    except Exception as error:
        raise AssertionError(f"{row_format.name} raises {type(error).__name__} ({error}) on {before}") from error
    assert repr(raw) == repr(before), f"{row_format.name} alters the row it reads: {before}"
    assert isinstance(matched, bool), f"{row_format.name}.matches says {matched!r} of {before}"
    return found


def _conversation(row_format: Format, raw: _Raw) -> Conversation:
    found = _read(row_format, raw)
    assert isinstance(found, Conversation), f"{row_format.name} leaves out a row it was to read ({found.detail}): {raw}"
    assert found.row.raw is raw, f"{row_format.name} hands on another row than it was given"
    return found


def _check_conversation(name: str, said: Conversation) -> None:
    for turn in said.messages:
        assert turn["role"] in _ROLES, f"{name}: a turn has the role {turn['role']!r}"
        assert isinstance(turn["content"], str), f"{name}: a turn holds {turn['content']!r}, which is no text"
    answers = {place for place, turn in enumerate(said.messages) if turn["role"] == "assistant"}
    assert said.untrained <= answers, f"{name} takes turns out of the loss that are no answers"
    assert answers - said.untrained, f"{name} hands on a row of which nothing is trained on: {said.row.raw}"
    asked = next((place for place, turn in enumerate(said.messages) if turn["role"] == "user"), len(said.messages))
    early = [place for place in answers - said.untrained if place < asked]
    assert not early, f"{name} trains on an answer that stands before any question: {said.row.raw}"


def _check_same(row_format: Format, said: Conversation, other: _Raw, how: str) -> None:
    found = _conversation(row_format, other)
    assert _gist(found) == _gist(said), f"{row_format.name} reads a row {how} otherwise: {other}"


def _gist(said: Conversation) -> tuple[Any, ...]:
    """What a row says, whatever it was padded with."""
    unread = (sorted(said.unread), sorted(said.unread_of_turns))
    return list(said.messages), said.source, list(said.tools), said.untrained, *unread


def _check_fields(row_format: Format, raw: _Raw, said: Conversation) -> None:
    """Every field makes a difference or is named, and so is one that nobody knows, in the row and in a turn."""
    name = row_format.name
    for field, value in raw.items():
        if field in said.unread or says_nothing(value):
            continue
        without = _read(row_format, {key: item for key, item in raw.items() if key != field})
        lost = isinstance(without, Conversation) and _gist(without) == _gist(said)
        assert not lost, f"{name} makes nothing of the field {field!r} and does not name it as unread: {raw}"
    more = _conversation(row_format, {**raw, _EXTRA: "x"})
    assert _EXTRA in more.unread, f"{name} does not name a field that nobody read: {raw}"
    turns = [value for value in raw.values() if isinstance(value, list) and value and isinstance(value[-1], dict)]
    for value in turns:
        added = _with(raw, value, [*value[:-1], {**value[-1], _EXTRA: "x"}])
        found = _read(row_format, added)
        if isinstance(found, Conversation) and any(turn.get("content") in _texts(value[-1]) for turn in found.messages):
            assert _EXTRA in found.unread_of_turns, f"{name} does not name a field of a turn that nobody read: {added}"


def _texts(turn: _Raw) -> list[Any]:
    return [value for value in turn.values() if isinstance(value, str)]


def _with(raw: _Raw, old: Any, new: Any) -> _Raw:
    return {field: new if value is old else value for field, value in raw.items()}


def _check_broken(row_format: Format, raw: _Raw) -> None:
    name, found = row_format.name, _read(row_format, raw)
    if isinstance(found, Conversation):
        _check_conversation(name, found)
        return
    assert isinstance(found, Drop), f"{name} makes a {type(found).__name__} of {raw}"
    assert found.row == 5, f"{name} leaves out row {found.row}, but was given row 5"
    assert found.reason, f"{name} gives no reason for leaving out {raw}"
    assert found.detail, f"{name} does not say what is wrong with {raw}"


def _padded(value: Any) -> Any:
    """The same with more null fields in every object, at any depth."""
    if isinstance(value, dict):
        nothing = {"padding": None, "also padding": math.nan}
        return {name: _padded(item) for name, item in value.items()} | nothing
    return [_padded(item) for item in value] if isinstance(value, list) else value


def _backwards(value: Any) -> Any:
    """The same with the fields of every object in another order."""
    if isinstance(value, dict):
        return {name: _backwards(value[name]) for name in reversed(value)}
    return [_backwards(item) for item in value] if isinstance(value, list) else value


def _broken(raw: _Raw) -> Iterator[_Raw]:
    """The row with anything in it, at any depth, left out or made junk of: one fault a row."""
    for put in _places(raw):
        for junk in JUNK:
            yield put(copy.deepcopy(junk))
    for field in raw:
        yield {name: value for name, value in raw.items() if name != field}


def _places(value: Any) -> Iterator[Callable[[Any], Any]]:
    """For every place in a value: a function that gives the value with something else there."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield lambda new, name=name: {**value, name: new}  # type: ignore[misc]
            for put in _places(item):
                yield lambda new, name=name, put=put: {**value, name: put(new)}  # type: ignore[misc]
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield lambda new, place=place: [*value[:place], new, *value[place + 1 :]]  # type: ignore[misc]
            for put in _places(item):
                yield lambda new, place=place, put=put: [*value[:place], put(new), *value[place + 1 :]]  # type: ignore[misc]
