"""Alpaca: ``instruction``, ``input``, ``output``, and at times ``system`` and ``history``."""

from collections.abc import Iterator, Mapping
from typing import Any

from spice_select.data.formats.base import RowError, optional_text, present, required_text
from spice_select.data.formats.content import reasoning_column, text_of
from spice_select.data.formats.fields import Fields
from spice_select.data.formats.turn_texts import NO_JSON_REMEDY, cause
from spice_select.data.formats.turns import Turn, read_turns
from spice_select.data.json_texts import parsed_text
from spice_select.data.records import Conversation, Drop, Row


class Alpaca:
    """An instruction, an optional input put below it, and the output; earlier exchanges in ``history``."""

    name = "alpaca"
    summary = "instruction, input (optional) → output; system and history where they are there"

    def matches(self, raw: Mapping[str, Any]) -> bool:
        return present(raw, "instruction", "output")

    def read(self, row: Row) -> Conversation | Drop:
        return read_turns(row, _turns)


def _turns(fields: Fields) -> Iterator[Turn]:
    yield from history_of(fields)
    yield Turn(role="user", text=instruction_of(fields))
    yield Turn(role="assistant", text=required_text(fields, "output"), reasoning=reasoning_column(fields))


def instruction_of(fields: Fields) -> str:
    """The instruction, with the input below it where there is one."""
    parts = (required_text(fields, "instruction"), optional_text(fields, "input"))
    return "\n".join(part for part in parts if part)


def history_of(fields: Fields) -> Iterator[Turn]:
    """The exchanges before the last one, from a list of pairs or its JSON text."""
    history = fields.get("history") or ()
    if isinstance(history, str):
        history = _parsed(history) if history.strip() else ()
    if not isinstance(history, list | tuple):
        raise RowError("broken-history", f"'history' is of type {type(history).__name__}, not a list of pairs")
    for number, pair in enumerate(history, start=1):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise RowError("broken-history", f"entry {number} of 'history' is not a pair of question and answer")
        yield Turn(role="user", text=text_of(pair[0], number))
        yield Turn(role="assistant", text=text_of(pair[1], number))


def _parsed(text: str) -> Any:
    try:
        return parsed_text(text)
    except ValueError as error:
        raise RowError("broken-history", f"the text in 'history' is {cause(text, error)}. {NO_JSON_REMEDY}") from error
