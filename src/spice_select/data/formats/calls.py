"""Tool calls and tool schemas in the one shape that templates and trainers take, from the many that are about."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spice_select.data.formats.base import RowError
from spice_select.data.formats.fields import Fields, has_padding, says_nothing, unpadded

_CALL_FIELDS = ("tool_calls", "function_call", "function_calls", "tool_call")
_TOOL_FIELDS = ("tools", "functions", "tool_defs", "available_tools")
_ARGUMENT_FIELDS = ("arguments", "parameters", "args", "input")
_FUNCTION_TYPES = ("function", "function_call", "tool_call", "tool_use")
_THOUGHT_AND_REST = re.compile(r"(\s*<think>.*?</think>\s*)?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool.

    Attributes:
        name: the function's name.
        arguments: an object, as JSON has it.
        exact: whether the arguments came as JSON text, where a null is the author's; in an object it may be padding.
        id: the call's id, "" if it has none.
        unread: fields of the call that were not read.
    """

    name: str
    arguments: dict[str, Any]
    exact: bool
    id: str = ""
    unread: tuple[str, ...] = ()

    @property
    def padded(self) -> bool:
        return not self.exact and has_padding(self.arguments)

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
            found.append(tuple(_call(item, number) for item in _items(value, number)))
    alike = [tuple((call.name, call.arguments) for call in calls) for calls in found]
    if any(other != alike[0] for other in alike[1:]):
        raise RowError("conflicting-fields", f"turn {number} holds different calls in two of {', '.join(_CALL_FIELDS)}")
    return found[0] if found else ()


def calls_in_text(text: str, number: int) -> tuple[str, tuple[Call, ...]] | None:
    """The calls that a turn of role ``function_call`` writes as JSON: what stands before them, and they.

    Returns:
        None where the text is no JSON: then it is an answer like any other.
    """
    match = _THOUGHT_AND_REST.fullmatch(text)
    before, rest = (match[1] or "", match[2]) if match else ("", text)
    try:
        value = json.loads(rest)
    except ValueError:
        return None
    if not isinstance(value, dict | list) or says_nothing(value):
        return None
    return before.strip(), tuple(_call(item, number) for item in _items(value, number))


def tools_of(fields: Fields) -> tuple[dict[str, Any], ...]:
    """The tools of a row or a turn: a list of JSON schemas, or that as JSON; a `RowError` if ``tools`` is neither.

    Bare functions (``{"name", "parameters"}``) are put in the envelope ``{"type": "function", "function": …}``.
    """
    found = []
    for field in _TOOL_FIELDS:
        try:
            tools = _tools(fields.peek(field), field)
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


def _tools(value: Any, field: str) -> tuple[dict[str, Any], ...]:
    exact = isinstance(value, str)
    if isinstance(value, str):
        value = _parsed(value) if value.strip() else None
    if says_nothing(value):
        return ()
    if not isinstance(value, list):
        raise RowError("broken-tools", f"the field {field!r} is not a list of JSON schemas")
    return tuple(_tool(item, field, exact=exact) for item in value if not says_nothing(item))


def _tool(value: Any, field: str, *, exact: bool) -> dict[str, Any]:
    if isinstance(value, str):
        value, exact = _parsed(value), True
    if not isinstance(value, Mapping):
        raise RowError("broken-tools", f"the field {field!r} is not a list of JSON schemas")
    tool = dict(value) if exact else unpadded(value)
    if "function" in tool or not isinstance(tool.get("name"), str) or tool.get("type", "function") != "function":
        return tool
    function = {name: item for name, item in tool.items() if name != "type"}
    if "input_schema" in function and "parameters" not in function:
        function["parameters"] = function.pop("input_schema")
    return {"type": "function", "function": function}


def _items(value: Any, number: int) -> list[Any]:
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, Mapping):
        return [value]
    if not isinstance(value, list):
        raise RowError("broken-tool-call", f"the tool calls of turn {number} are not a list, nor JSON of one")
    return [item for item in value if not says_nothing(item)]


def _call(value: Any, number: int) -> Call:
    if isinstance(value, str):
        value = _parsed(value)
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
        exact=isinstance(given, str),
        id=identity if isinstance(identity, str) else "",
        unread=tuple(f"tool_calls.{name}" for name in unread if name != "id" or not isinstance(identity, str)),
    )


def _arguments(value: Any, name: str, number: int) -> dict[str, Any]:
    try:
        for _ in range(2):  # JSON text is at times written as JSON text once more
            if isinstance(value, str):
                value = json.loads(value, parse_constant=_refuse) if value.strip() else {}
    except ValueError as error:
        detail = f"the arguments of {name!r} in turn {number} are no JSON: {error}"
        raise RowError("broken-tool-call", detail) from error
    if not isinstance(value, Mapping):
        raise RowError("broken-tool-call", f"the arguments of {name!r} in turn {number} are no JSON object")
    return dict(value)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parameters(tools: Iterable[Mapping[str, Any]], name: str) -> Any:
    functions = (tool.get("function", tool) for tool in tools)
    return next((f.get("parameters") for f in functions if isinstance(f, Mapping) and f.get("name") == name), None)
