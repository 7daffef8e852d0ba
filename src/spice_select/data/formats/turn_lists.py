"""Lists of turns in the other ways that tables have for them, as lists of objects."""

import re
from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.fields import absent
from spice_select.data.json_texts import parsed_text

OPENS = re.compile(r'\s*"?[\[{]')
"""How a JSON text begins that may hold turns."""


def listed_turns(value: Any) -> Any:
    """The turns of an object of lists or of a list of JSON texts, as a list of objects; any other value as it is.

    An object of lists, ``{"role": […], "content": […]}``, is what `datasets` makes of a `Sequence` of objects.
    """
    found = None
    if isinstance(value, Mapping):
        found = _of_columns(value)
    elif isinstance(value, list) and value and all(isinstance(turn, str) for turn in value):
        found = _of_texts(value)
    return value if found is None else found


def parsed_turns(text: str) -> Any:
    """What a JSON text holds, as a list of objects where it is `listed_turns`; raises a ValueError where it is no JSON.

    JSON text is at times written as JSON text once more.
    """
    value = parsed_text(text)
    return listed_turns(parsed_text(value) if isinstance(value, str) else value)


def list_in(value: Any) -> list[Any] | None:
    """The list of turns that a column holds, in whichever way; None where it holds none."""
    if not isinstance(value, str):
        found = listed_turns(value)
    elif OPENS.match(value):
        try:
            found = parsed_turns(value)
        except ValueError:
            return None
    else:
        return None
    return found if isinstance(found, list) else None


def _of_columns(value: Mapping[str, Any]) -> list[Any] | None:
    columns = {name: items for name, items in value.items() if not absent(items)}
    if not any(name in columns for name in ("role", "from")) or not all(isinstance(c, list) for c in columns.values()):
        return None
    if len({len(items) for items in columns.values()}) > 1:
        return None
    return [dict(zip(columns, items, strict=True)) for items in zip(*columns.values(), strict=True)]


def _of_texts(values: list[str]) -> list[Any] | None:
    try:
        found = [parsed_text(text) for text in values]
    except ValueError:
        return None
    return found if all(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in found) else None
