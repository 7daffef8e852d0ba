"""Tool calls and tool schemas in the one shape that templates and trainers take, from the many that are about."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spice_select.data.formats.base import RowError
from spice_select.data.formats.fields import Fields, absent, has_padding, says_nothing, unpadded
from spice_select.data.formats.turn_texts import cause
from spice_select.data.json_texts import parsed_exactly, parsed_one_or_several

_CALL_FIELDS = ("tool_calls", "function_call", "function_calls", "tool_call")
_TOOL_FIELDS = ("tools", "functions", "tool_defs", "available_tools")
_ARGUMENT_FIELDS = ("arguments", "parameters", "args", "input")
_FUNCTION_TYPES = ("function", "function_call", "tool_call", "tool_use")
_NULL_MEANS = ("default", "const")
"""Fields of a schema in which a null says something."""

_THOUGHT_AND_REST = re.compile(r"(\s*<think>.*?</think>\s*)?(.*)", re.DOTALL)

_WRITTEN_OUT = re.compile(r"<tool_call>|<\|tool_calls?|\[TOOL_CALLS\]|<function=|<\|python_tag\|>")
"""How models write calls in their text."""

_OBJECTS = re.compile(r"[\s\[]*\{")  # not of [f(x=1)], which is a way to write calls as text


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool.

    Attributes:
        name: the function's name.
        arguments: an object, as JSON has it.
        exact: whether the call or its arguments came as JSON text, where a null is the author's; in an object it may be
            padding.
        id: the call's id, "" if it has none.
        unread: fields of the call that were not read.
    """

    name: str
    arguments: dict[str, Any]
    exact: bool
    id: str = ""
    unread: tuple[str, ...] = ()

    def is_padded(self, tools: Iterable[Mapping[str, Any]]) -> bool:
        """Whether a null field of its arguments is left out as padding."""
        return not self.exact and has_padding(self.arguments, _parameters(tools, self.name))

    def shown(self, tools: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The call as templates take it, its arguments without padding."""
        arguments = self.arguments if self.exact else unpadded(self.arguments, _parameters(tools, self.name))
        identity = {"id": self.id} if self.id else {}
        return {"type": "function", **identity, "function": {"name": self.name, "arguments": arguments}}


def calls_of(turn: Fields, number: int) -> tuple[Call, ...]:
    """The calls of a turn, under whichever name it has for them; a `RowError` if they cannot be read."""
    found: list[tuple[Call, ...]] = []
    for field in _CALL_FIELDS:
        if field in turn and not says_nothing(value := turn[field]):
            exact = isinstance(value, str)
            found.append(tuple(_call(item, number, exact=exact) for item in _items(value, number)))
    alike = [tuple((call.name, call.arguments) for call in calls) for calls in found]
    if any(other != alike[0] for other in alike[1:]):
        raise RowError("conflicting-fields", f"turn {number} holds different calls in two of {', '.join(_CALL_FIELDS)}")
    return found[0] if found else ()


def writes_calls(text: str) -> bool:
    """Whether a text holds calls as models write them; beside calls in a field templates show them twice."""
    return _WRITTEN_OUT.search(text) is not None


def calls_in_text(text: str, number: int) -> tuple[str, tuple[Call, ...]] | None:
    """The calls that a turn of role ``function_call`` writes as JSON: what stands before them, and they.

    Returns:
        None where the text begins with neither an object nor a list of them: then it is an answer like any other.

    Raises:
        RowError: it is laid out as one of these and is no JSON, or no call.
    """
    match = _THOUGHT_AND_REST.fullmatch(text)
    before, rest = (match[1] or "", match[2]) if match else ("", text)
    if not _OBJECTS.match(rest):
        return None
    value = _parsed(rest, "broken-tool-call", f"the call that turn {number} holds", parsed_one_or_several)
    if says_nothing(value):
        return None
    return before.strip(), tuple(_call(item, number, exact=True) for item in _items(value, number))


def tools_of(fields: Fields) -> tuple[dict[str, Any], ...]:
    """The tools of a row or a turn: a list of JSON schemas, or that as JSON; a `RowError` if ``tools`` is neither.

    Bare functions (``{"name", "parameters"}``) are put in the envelope ``{"type": "function", "function": …}``.
    """
    found = []
    for field in _TOOL_FIELDS:
        try:
            tools = _tools(fields, field)
        except RowError:
            if field == "tools":
                raise
            continue  # a column of another meaning: left unread, and so named
        fields.get(field)
        if tools:
            found.append(tools)
    if any(other != found[0] for other in found[1:]):
        raise RowError("conflicting-fields", f"different tools stand in two of {', '.join(_TOOL_FIELDS)}")
    return found[0] if found else ()


def _tools(fields: Fields, field: str) -> tuple[dict[str, Any], ...]:
    value = fields.peek(field)
    exact = isinstance(value, str)
    if isinstance(value, str):
        value = _parsed(value, "broken-tools", f"the field {field!r}") if value.strip() else None
    if says_nothing(value):
        return ()
    if not isinstance(value, list):
        raise RowError("broken-tools", f"the field {field!r} is not a list of JSON schemas")
    tools = tuple(_tool(item, field, exact=exact) for item in value if not says_nothing(item))
    if not exact and _holds_null_default(value):
        fields.remarks.append("null-defaults")
    return tools


def _tool(value: Any, field: str, *, exact: bool) -> dict[str, Any]:
    if isinstance(value, str):
        value, exact = _parsed(value, "broken-tools", f"a tool in the field {field!r}"), True
    if not isinstance(value, Mapping):
        raise RowError("broken-tools", f"the field {field!r} is not a list of JSON schemas")
    _refuse_infinite(value, "broken-tools", f"the field {field!r}")
    tool = dict(value) if exact else unpadded(value)
    if "function" in tool or not isinstance(tool.get("name"), str) or tool.get("type", "function") != "function":
        return tool
    function = {name: item for name, item in tool.items() if name != "type"}
    if "input_schema" in function and "parameters" not in function:
        function["parameters"] = function.pop("input_schema")
    return {"type": "function", "function": function}


def _holds_null_default(value: Any) -> bool:
    """Whether a schema has a null where one would mean something; elsewhere it only pads."""
    if isinstance(value, Mapping):
        return any((absent(item) and name in _NULL_MEANS) or _holds_null_default(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_holds_null_default, value))


def _items(value: Any, number: int) -> list[Any]:
    if isinstance(value, str):
        value = _parsed(value, "broken-tool-call", f"the tool calls of turn {number}")
    if isinstance(value, Mapping):
        return [value]
    if not isinstance(value, list):
        raise RowError("broken-tool-call", f"the tool calls of turn {number} are not a list, nor JSON of one")
    return [item for item in value if not says_nothing(item)]


def _call(value: Any, number: int, *, exact: bool) -> Call:
    if isinstance(value, str):
        value, exact = _parsed(value, "broken-tool-call", f"a tool call of turn {number}"), True
    if not isinstance(value, Mapping):
        raise RowError("broken-tool-call", f"a tool call of turn {number} has no function with a name")
    call = Fields(value)
    function = Fields(call["function"]) if isinstance(call.peek("function"), Mapping) else call
    name, kind = function.get("name"), call.get("type", "function")
    if not isinstance(name, str) or not name or kind not in _FUNCTION_TYPES:
        raise RowError("broken-tool-call", f"a tool call of turn {number} has no function with a name")
    field = next((field for field in _ARGUMENT_FIELDS if field in function), "arguments")
    given = function.get(field, {})
    unread = call.unread() if function is call else (*call.unread(), *function.unread())
    identity = call.peek("id")
    return Call(
        name=name,
        arguments=_arguments(given, name, number),
        exact=exact or isinstance(given, str),
        id=identity if isinstance(identity, str) else "",
        unread=tuple(f"tool_calls.{name}" for name in unread if name != "id" or not isinstance(identity, str)),
    )


def _arguments(value: Any, name: str, number: int) -> dict[str, Any]:
    where = f"the arguments of {name!r} in turn {number}"
    for _ in range(2):  # JSON text is at times written as JSON text once more
        if isinstance(value, str):
            value = _parsed(value, "broken-tool-call", where) if value.strip() else {}
    if absent(value):
        return {}  # JSON text of null: no arguments, as where the field is null itself
    if not isinstance(value, Mapping):
        raise RowError("broken-tool-call", f"{where} are no JSON object")
    _refuse_infinite(value, "broken-tool-call", where)
    return dict(value)


def _refuse_infinite(value: Any, reason: str, where: str) -> None:
    """Raise a `RowError` for what no JSON holds; a NaN in an object may be a table's null."""
    if isinstance(value, float) and math.isinf(value):
        raise RowError(reason, f"an infinite number stands in {where}: JSON has no word for it")
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            _refuse_infinite(item, reason, where)


def _parsed(text: str, reason: str, where: str, read: Callable[[str], Any] = parsed_exactly) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise RowError(reason, f"{where}: {cause(text, error)}") from error


def _parameters(tools: Iterable[Mapping[str, Any]], name: str) -> Any:
    functions = (tool.get("function", tool) for tool in tools)
    return next((f.get("parameters") for f in functions if isinstance(f, Mapping) and f.get("name") == name), None)
