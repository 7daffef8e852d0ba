"""Turns that stand as text in a cell, as CSV and tables of text have them: read as turns, or no JSON and named so."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, present
from spice_select.data.formats.roles import ROLES
from spice_select.data.formats.turn_lists import listed_turns, parsed_turns

NO_JSON_REMEDY = (
    "Write the cells with json.dumps (ast.literal_eval reads what Python printed), or save the table as JSON lines or "
    "Parquet, which keep lists."
)

_OPENS = re.compile(r'\s*"?[\[{(]')
_LIST_OF_TURNS = re.compile(r"""\s*\[\s*\{\s*(['"])(role|content|from|value|tool_calls)\1\s*:""")
_WHO = re.compile(rf"""(['"])(role|from)\1\s*:\s*(['"])({"|".join(ROLES)})\3""", re.IGNORECASE)
_SAYS = re.compile(r"""(['"])(content|value|tool_calls|function_call|parts)\1\s*:""")
_PRINTED = re.compile(r"[^'\"]*'")
_CONTENT = ("content", "tool_calls", "function_call", "parts")


def with_turns(value: Any, field: str, *, answers: bool = False) -> Any:
    """A value whose text is the JSON of a turn or of a list of turns, as those, and what is `listed_turns` as a list.

    Any other value stays as it is.

    A turn has a ``role`` that is known and a ``content`` (or calls), or ``from`` and ``value``. Where the field
    `answers`, one of the turns is the assistant's; any other JSON is an answer in JSON.

    Raises:
        RowError: the text is laid out as turns are and is no JSON, as where Python printed it.
    """
    if not isinstance(value, str) or not _OPENS.match(value):
        return listed_turns(value)
    try:
        found = parsed_turns(value)
    except ValueError as error:
        if _printed_turns(value, answers=answers) or _broken_turns(value, error):
            raise RowError("not-a-turn", f"the text in {field!r} is {cause(value, error)}. {NO_JSON_REMEDY}") from error
        return value
    turns = [found] if isinstance(found, Mapping) else found
    return turns if _are_turns(turns, answers=answers) else value


def cause(text: str, error: ValueError) -> str:
    """Why a text that looks like a list or an object is no JSON."""
    if _PRINTED.match(text):
        return "no JSON: strings stand in single quotes, as Python prints lists and objects"
    return f"no JSON: {str(error).rstrip('.')}"


def _are_turns(values: Any, *, answers: bool) -> bool:
    if not isinstance(values, list) or not values or not all(map(_is_turn, values)):
        return False
    return not answers or any(_role(turn) == "assistant" for turn in values)


def _is_turn(value: Any) -> bool:
    if not isinstance(value, Mapping) or _role(value) is None:
        return False
    return any(field in value for field in _CONTENT) if present(value, "role") else "value" in value


def _role(turn: Mapping[str, Any]) -> str | None:
    """The role of a turn, if it has one that is known."""
    field = next((name for name in ("role", "from") if present(turn, name)), None)
    return None if field is None else ROLES.get(str(turn[field]).strip().lower())


def _printed_turns(text: str, *, answers: bool) -> bool:
    """Whether a text is a turn or a list of turns as Python prints them."""
    if not _WHO.search(text):
        return False
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return _are_turns([found] if isinstance(found, Mapping) else found, answers=answers)


def _broken_turns(text: str, error: ValueError) -> bool:
    """Whether a text is a list of turns that was cut or harmed; prose that begins with an example of one is not."""
    if not (_LIST_OF_TURNS.match(text) and _WHO.search(text) and _SAYS.search(text)):
        return False
    if _PRINTED.match(text):
        return text.rstrip().endswith("]")
    return not (isinstance(error, json.JSONDecodeError) and error.msg == "Extra data")
