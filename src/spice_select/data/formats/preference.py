"""Preference pairs (prompt, chosen, rejected): refused when found, read as the chosen answer when asked for."""

from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, present
from spice_select.data.formats.pairs import side
from spice_select.data.formats.turns import conversation
from spice_select.data.records import Conversation, Drop, Row


class Chosen:
    """The chosen answers of preference pairs; the rejected ones are not looked at.

    The prompt may be missing where ``chosen`` is a list of messages that begins with it.
    """

    name = "chosen"

    def describe(self) -> str:
        return "chosen: prompt (optional) → chosen, out of preference pairs; rejected is not used"

    def matches(self, raw: Mapping[str, Any]) -> bool:
        return present(raw, "chosen", "rejected")

    def read(self, row: Row) -> Conversation | Drop:
        try:
            return conversation(row, _messages(row.raw))
        except RowError as fault:
            return fault.drop(row.number)


def _messages(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    chosen = side(raw, "chosen", "assistant")
    if not present(raw, "prompt") or chosen[0]["role"] in ("system", "user"):
        return chosen
    return [*side(raw, "prompt", "user"), *chosen]
