"""JSON that says one thing: the one reader of JSON in files and of JSON that stands as text in a cell."""

import itertools
import json
import math
import re
from typing import Any


class RepeatedFieldError(ValueError):
    """An object names a field twice, with different values: whichever were taken, the other would be lost."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an object has the field {name!r} twice, with different values.")


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        for name, item in pairs:
            if _canonical(item) != _canonical(value[name]):
                raise RepeatedFieldError(name)
    return value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # to Python 1, 1.0 and true are equal, and NaN is not itself


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:40]} is beyond the largest number of 64 bits")
    return value


JSON_DECODER = json.JSONDecoder(object_pairs_hook=_object_once)
"""Of files: NaN and infinities are taken, as Python writes them."""

DEEPEST = 100
"""How deep lists and objects may be nested: whatever is done with a row goes down into it, some calls a level."""

_GAP = re.compile(r"\s*,?\s*")

_EXACT = json.JSONDecoder(object_pairs_hook=_object_once, parse_constant=_refuse, parse_float=_finite)


def decoded(text: str) -> Any:
    """The value of a file's JSON text; raises as `json.loads`, and a RecursionError where it is nested too deeply."""
    return _decoded(JSON_DECODER, text)


def parsed_text(text: str) -> Any:
    """The value of a JSON text in a cell, read as files are; raises a ValueError that says why it is none."""
    return _parsed(JSON_DECODER, text)


def parsed_exactly(text: str) -> Any:
    """As `parsed_text`, where every value has to be JSON's own: NaN and infinities are refused."""
    return _parsed(_EXACT, text)


def parsed_one_or_several(text: str) -> Any:
    """As `parsed_exactly`; objects that stand one after another, a comma or nothing between them, are a list of them.

    So calls are written that were put together line by line.
    """
    text, found, place = text.strip(), [], 0
    try:
        while True:
            value, place = _EXACT.raw_decode(text, place)
            _refuse_depth(value)
            found.append(value)
            if place == len(text):
                return found if len(found) > 1 else value
            place = _end_of_gap(text, place)
            if not (isinstance(value, dict) and text.startswith("{", place)):
                raise json.JSONDecodeError("Extra data", text, place)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _end_of_gap(text: str, place: int) -> int:
    gap = _GAP.match(text, place)
    return gap.end() if gap else place


def _parsed(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return _decoded(decoder, text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _decoded(decoder: json.JSONDecoder, text: str) -> Any:
    value = decoder.decode(text)
    if text.count("[") + text.count("{") > DEEPEST:  # fewer cannot be deeper
        _refuse_depth(value)
    return value


def _refuse_depth(value: Any) -> None:
    """Raise a RecursionError where lists and objects stand in each other deeper than `DEEPEST`; goes level by level."""
    level = [value]
    for _ in range(DEEPEST):
        held = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = list(itertools.chain.from_iterable(held))
    if any(isinstance(item, dict | list) for item in level):
        raise RecursionError
