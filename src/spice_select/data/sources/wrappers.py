"""Objects that are no row but hold rows: around a list of them, as their fields, or as the columns of a table."""

import json
from collections.abc import Mapping
from typing import Any

_TURNS = ("messages", "conversations")


def is_wrapper(value: Any) -> bool:
    """Whether this is an object around the rows, {"data": [{…}, …]}, and not itself a row."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((name, inside),) = value.items()
    return name not in _TURNS and isinstance(inside, list) and any(isinstance(item, dict) for item in inside)


def wrapped(value: Mapping[str, Any], if_turns: str) -> str:
    """What an object has its rows in, and how to take them out; "" where nothing looks like rows.

    Args:
        value: the object.
        if_turns: what to do if what looks like rows are turns of a conversation: only a person can tell.
    """
    if columns := in_columns(value):
        return columns
    objects = [name for name, item in value.items() if _all_objects(item)]
    if any(name in objects for name in _TURNS):
        return ""
    if objects:
        return (
            f"Its field {objects[0]!r} holds a list of objects. If they are rows, write them alone to a file "
            f"(jq -c '.[{json.dumps(objects[0])}][]'); if they are turns, {if_turns}"
        )
    if len(value) > 1 and all(isinstance(item, dict) for item in value.values()):
        return (
            "Each of its fields holds an object. If they are rows, write them alone to a file, one a line "
            f"(jq -c '.[]'); if they are turns, {if_turns}"
        )
    return ""


def in_columns(value: Mapping[str, Any]) -> str:
    """How to make rows of an object whose fields are the columns of a table; "" if they are not."""
    fields = list(value.values())
    lists = all(isinstance(item, list) and not _all_objects(item) for item in fields)
    numbered = all(isinstance(item, dict) and item and all(map(str.isdigit, item)) for item in fields)
    if len(fields) < 2 or not (lists or numbered) or len({len(item) for item in fields}) > 1 or not fields[0]:
        return ""
    return (
        f"Its fields hold one {'list' if lists else 'numbered object'} each, as columns of a table do: write one "
        "object a row (pandas: to_json(orient='records', lines=True))."
    )


def _all_objects(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and all(isinstance(inside, dict) for inside in item)
