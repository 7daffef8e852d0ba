"""Tool schemas as LLaMA-Factory (0.9.5) takes them: what its formatters would stop at is mended or refused."""

from collections.abc import Iterable, Mapping
from typing import Any

from spice_select.data.formats.base import RowError
from spice_select.data.plain import json_text


def plain_tools(tools: Iterable[Mapping[str, Any]]) -> str:
    """The tools as JSON text, "" if there are none; a `RowError` for one that LLaMA-Factory's formatters stop at.

    Each becomes a bare function; one without parameters gets empty ones, since the formatters ask for `properties`.
    """
    functions = [_function(tool) for tool in tools]
    return json_text(functions) if functions else ""


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function", tool)
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise RowError("tool-schema", "a tool has no name, which LLaMA-Factory asks for")
    parameters = function.get("parameters") or {}
    properties = (parameters.get("properties") or {}) if isinstance(parameters, Mapping) else None
    if not isinstance(properties, Mapping) or not all(_fits(schema) for schema in properties.values()):
        detail = f"the parameters of the tool {name!r} are not what LLaMA-Factory takes: objects, with enums of strings"
        raise RowError("tool-schema", detail)
    return {**function, "parameters": {"type": "object", **parameters, "properties": dict(properties)}}


def _fits(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or not isinstance(schema.get("items") or {}, Mapping):
        return False
    values = schema.get("enum") or []
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
