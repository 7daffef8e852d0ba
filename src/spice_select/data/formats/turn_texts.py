"""Turns that stand as text in a cell, as CSV and tables of text have them: read as turns, or no JSON and named so."""

import json
import re
from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, present
from spice_select.data.json_texts import parsed_text

NO_JSON_REMEDY = (
    "Write the cells with json.dumps (ast.literal_eval reads what Python printed), or save the table as JSON lines or "
    "Parquet, which keep lists."
)

_OPENS = re.compile(r"\s*[\[{(]")
_HEAD = re.compile(r"""\s*[\[(]?\s*\{\s*(['"])(role|content|from|value|tool_calls)\1\s*:""")  # of a turn or a list
_SAYS = re.compile(r"""(['"])(content|value|tool_calls|function_call|parts)\1\s*:""")
_PRINTED = re.compile(r"[^'\"]*'")
_CONTENT = ("content", "tool_calls", "function_call", "parts")


def with_turns(value: Any, field: str) -> Any:
    """A value whose text is the JSON of a turn or of a list of turns, as those; any other value as it is.

    A turn has a ``role`` and a ``content`` (or calls), or ``from`` and ``value``; an answer may be other JSON.

    Raises:
        RowError: the text is laid out as turns are and is no JSON, as where Python printed it.
    """
    if not isinstance(value, str) or not _OPENS.match(value):
        return value
    try:
        found = parsed_text(value)
    except ValueError as error:
        if _laid_out_as_turns(value, error):
            raise RowError("not-a-turn", f"the text in {field!r} is {cause(value, error)}. {NO_JSON_REMEDY}") from error
        return value
    turns = [found] if isinstance(found, Mapping) else found
    return turns if isinstance(turns, list) and turns and all(map(_is_turn, turns)) else value


def cause(text: str, error: ValueError) -> str:
    """Why a text that looks like a list or an object is no JSON."""
    if _PRINTED.match(text):
        return "no JSON: strings stand in single quotes, as Python prints lists and objects"
    return f"no JSON: {str(error).rstrip('.')}"


def _is_turn(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    plain = present(value, "role") and any(field in value for field in _CONTENT)
    return plain or (present(value, "from") and "value" in value)


def _laid_out_as_turns(text: str, error: ValueError) -> bool:
    """Whether a text that is no JSON is meant as turns; prose that begins with an example of one is not."""
    if not (_HEAD.match(text) and _SAYS.search(text)):
        return False
    if _PRINTED.match(text):
        return text.rstrip()[-1] in "]})"
    return not (isinstance(error, json.JSONDecodeError) and error.msg == "Extra data")
