"""Messages as files can carry them: what all trainers that read through Arrow have in common."""

import json
from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation
from spice_select.training.export.base import Record


def messages_of(conversation: Conversation) -> list[Record]:
    """The messages as new dicts; a `RowError` where a text is not valid Unicode, which Arrow and Parquet refuse."""
    try:
        json.dumps([conversation.messages, conversation.tools], ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError("not-unicode", "a text holds half of a surrogate pair, which is not valid Unicode") from error
    return [dict(message) for message in conversation.messages]


def tools_text(conversation: Conversation) -> str | None:
    """The tools as JSON text, or None: as text their schemas need not share one Arrow type."""
    return json.dumps(list(conversation.tools), ensure_ascii=False, default=str) if conversation.tools else None


def calls_of(message: Record) -> list[dict[str, Any]]:
    """The tool calls of a message, each as ``{"name": str, "arguments": ...}``."""
    return [call.get("function", call) for call in message.get("tool_calls", ())]


def arguments_of(function: Mapping[str, Any], number: int) -> Any:
    """The arguments of a call in turn `number` as an object (OpenAI's files hold JSON text); else a `RowError`."""
    arguments = function.get("arguments", {})
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError as error:
        detail = f"the arguments of the tool call in turn {number} are not JSON"
        raise RowError("broken-tool-call", detail) from error


def drop_empty_column(records: list[Record], name: str) -> None:
    """Take a column away that says nothing in any record."""
    if not any(record.get(name) not in (None, "") for record in records):
        for record in records:
            record.pop(name, None)
