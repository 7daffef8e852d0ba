"""Alpaca: ``instruction``, ``input``, ``output``, and at times ``system`` and ``history``."""

from collections.abc import Iterator, Mapping
from typing import Any

from spice_select.data.formats.base import RowError, optional_text, present, required_text
from spice_select.data.formats.turns import conversation, text_of
from spice_select.data.records import Conversation, Drop, Row


class Alpaca:
    """An instruction, an optional input put below it, and the output; earlier exchanges in ``history``."""

    name = "alpaca"

    def describe(self) -> str:
        return "alpaca: instruction, input (optional) → output; system and history where they are there"

    def matches(self, raw: Mapping[str, Any]) -> bool:
        return present(raw, "instruction", "output")

    def read(self, row: Row) -> Conversation | Drop:
        try:
            return conversation(row, _messages(row.raw))
        except RowError as fault:
            return fault.drop(row.number)


def _messages(raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if system := optional_text(raw, "system"):
        yield {"role": "system", "content": system}
    history = raw.get("history") or ()
    if not isinstance(history, list | tuple):
        raise RowError("broken-history", f"'history' is of type {type(history).__name__}, not a list of pairs")
    for number, pair in enumerate(history, start=1):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise RowError("broken-history", f"entry {number} of 'history' is not a pair of question and answer")
        yield {"role": "user", "content": text_of(pair[0], number)}
        yield {"role": "assistant", "content": text_of(pair[1], number)}
    parts = (required_text(raw, "instruction"), optional_text(raw, "input"))
    yield {"role": "user", "content": "\n".join(part for part in parts if part)}
    yield {"role": "assistant", "content": required_text(raw, "output")}
