"""Values as JSON can hold them: the one encoder of every file that holds rows, and of their hashes.

JSON has texts, numbers, true, false, null, lists and objects. A Parquet or Arrow row can hold more: bytes, times,
decimals, numbers that are not finite. Those are written as the texts of `KINDS` (or as null), and what was written so
is named by its place, so that nobody takes a text for what came. `restored` gives the values back.
"""

import base64
import binascii
import datetime
import decimal
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

EncodedPlaces = dict[str, str]
"""What JSON could not say, by its place in the row (a JSON pointer, RFC 6901): the name of its kind."""


def json_text(value: Any, *, ascii_only: bool = False, **layout: Any) -> str:
    """The value as strict JSON (no NaN), with what JSON cannot say as `plain` writes it.

    Half a surrogate pair stands as it is, unless `ascii_only`: writers turn it into its JSON escape. `layout` goes to
    `json.dumps` (``indent``, ``sort_keys``, ``separators``).
    """
    try:
        return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, default=_refuse, **layout)
    except (TypeError, ValueError):  # something that JSON has no word for; rare, so ordinary rows pay nothing
        return json.dumps(plain(value)[0], ensure_ascii=ascii_only, allow_nan=False, **layout)


def plain(value: Any) -> tuple[Any, EncodedPlaces]:
    """The value with nothing in it but what JSON has, and what had to be written otherwise."""
    encoded: EncodedPlaces = {}
    return _plain(value, "", encoded), encoded


def restored(value: Any, encoded: Mapping[str, str]) -> Any:
    """A value as it was before `plain`; kinds that cannot be read back stay texts. The value itself may be altered."""
    holder = {"": value}
    for pointer, kind in encoded.items():
        try:
            _restore(holder, ["", *map(_unescaped, pointer.split("/")[1:])], kind)
        except (KeyError, IndexError, TypeError, ValueError, binascii.Error, decimal.InvalidOperation):
            continue  # the file says of a place what it does not hold: it stays as it is written
    return holder[""]


def _refuse(value: Any) -> Any:
    raise TypeError(type(value).__name__)


def _plain(value: Any, place: str, encoded: EncodedPlaces) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, f"{place}/{_escaped(_key(key))}", encoded) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}/{number}", encoded) for number, item in enumerate(value)]
    if hasattr(value, "tolist") and not isinstance(value, float | memoryview):  # numpy's
        return _plain(value.tolist(), place, encoded)
    text, kind = _text(value)
    encoded[place] = kind
    return text


def _text(value: Any) -> tuple[str | None, str]:
    """What JSON has no word for, as text, and the name of its kind."""
    if isinstance(value, float):
        return None, "nan" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii"), "base64"
    if isinstance(value, datetime.datetime):  # before date, which it is as well
        return (None, "not a time") if value != value else (value.isoformat(), "datetime")
    if isinstance(value, datetime.date):
        return value.isoformat(), "date"
    if isinstance(value, datetime.time):
        return value.isoformat(), "time"
    if isinstance(value, datetime.timedelta):
        return f"PT{_seconds(value)}S", "duration"
    if isinstance(value, decimal.Decimal):
        return str(value), "decimal"
    return str(value), type(value).__name__


_MICROSECOND = datetime.timedelta(microseconds=1)


def _seconds(value: datetime.timedelta) -> str:
    """As decimal digits; tables' durations have nanoseconds, which Python's lack."""
    nanoseconds = int(value // _MICROSECOND) * 1000 + int(getattr(value, "nanoseconds", 0))
    return f"{decimal.Decimal(nanoseconds) / 1_000_000_000:f}"


def _duration(text: str) -> datetime.timedelta:
    seconds = decimal.Decimal(text.removeprefix("PT").removesuffix("S"))
    return int(seconds * 1_000_000) * _MICROSECOND


KINDS: Mapping[str, Callable[[Any], Any]] = {
    "base64": lambda text: base64.b64decode(text, validate=True),
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "duration": _duration,
    "decimal": decimal.Decimal,
    "nan": lambda _: math.nan,
    "infinity": lambda _: math.inf,
    "-infinity": lambda _: -math.inf,
}
"""How the text (or null) of each kind is read back; other kinds, named by their Python type, stay texts."""


def _restore(holder: Any, path: list[str], kind: str) -> None:
    *way, last = path
    for step in way:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    name = int(last) if isinstance(holder, list) else last
    if kind in KINDS:
        value = KINDS[kind](holder[name])
        if _text(value)[0] == holder[name]:  # nanoseconds, say, would be lost
            holder[name] = value


def _key(key: Any) -> str:
    """A key as JSON has it: a text."""
    if isinstance(key, str):
        return key
    return json.dumps(key) if key is None or isinstance(key, bool | int | float) else str(key)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescaped(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")


def columns_of(encoded: Mapping[str, str]) -> dict[str, str]:
    """The kinds by field, for people: ``{"img.bytes": "base64"}``; places in lists are one, ``turns[].at``."""
    named = {}
    for pointer, kind in encoded.items():
        steps = [_unescaped(step) for step in pointer.split("/")[1:]]
        name = "".join("[]" if step.isdigit() else f".{step}" for step in steps).removeprefix(".")
        named[name] = kind
    return named
