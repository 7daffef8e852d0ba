"""Messages as files can carry them: what all trainers that read through Arrow have in common."""

import json
from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError
from spice_select.data.plain import json_text
from spice_select.data.records import Conversation

Record = dict[str, Any]
"""One line of the exported data."""


def messages_of(conversation: Conversation) -> list[Record]:
    """The messages as new dicts without null fields, the arguments of their calls as objects.

    Raises:
        RowError: a text is not valid Unicode, which Arrow and Parquet refuse.
    """
    try:
        json_text([conversation.messages, conversation.tools]).encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError("not-unicode", "a text holds half of a surrogate pair, which is not valid Unicode") from error
    return [_message(message) for message in conversation.messages]


def _message(message: Mapping[str, Any]) -> Record:
    kept = {key: value for key, value in message.items() if value is not None}
    if "tool_calls" in kept:
        kept["tool_calls"] = [_with_arguments(call, _parsed) for call in kept["tool_calls"]]
    return kept


def _with_arguments(call: Mapping[str, Any], change: Any) -> Record:
    """A tool call with its arguments changed by a function, everything else and its order as it is."""
    if isinstance(call.get("function"), Mapping):
        return {**call, "function": _with_arguments(call["function"], change)}
    return {**call, "arguments": change(call["arguments"])} if "arguments" in call else dict(call)


def _parsed(arguments: Any) -> Any:
    """Arguments as an object where they are the JSON text of one; anything else as it is."""
    if not isinstance(arguments, str):
        return arguments
    try:
        found = json.loads(arguments)
    except ValueError:
        return arguments
    return found if isinstance(found, dict) else arguments


def tools_text(conversation: Conversation) -> str | None:
    """The tools as JSON text, or None: as text their schemas need not share one Arrow type."""
    return json_text(list(conversation.tools)) if conversation.tools else None


def functions_of(message: Record) -> list[dict[str, Any]]:
    """The tool calls of a message, each as ``{"name": str, "arguments": ...}``."""
    return [call.get("function", call) for call in message.get("tool_calls", ())]


def arguments_of(function: Mapping[str, Any], number: int) -> Any:
    """The arguments of a call in turn `number`; a `RowError` where they are text that is no JSON."""
    arguments = function.get("arguments", {})
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError as error:
        detail = f"the arguments of the tool call in turn {number} are not JSON"
        raise RowError("broken-tool-call", detail) from error


def answers(conversation: Conversation) -> tuple[list[int], list[int]]:
    """The places of the answers that are trained on, and of those that the row takes out of the loss."""
    places = [place for place, message in enumerate(conversation.messages) if message["role"] == "assistant"]
    untrained = [place for place in places if place in conversation.untrained]
    return [place for place in places if place not in conversation.untrained], untrained


def drop_empty_column(records: list[Record], name: str) -> None:
    """Take a column away that says nothing in any record."""
    if not any(record.get(name) not in (None, "") for record in records):
        for record in records:
            record.pop(name, None)
