"""Two columns, one for each side: prompt/completion, prompt/response, question/answer, instruction/response."""

from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, optional_text, present, required_text
from spice_select.data.formats.turns import conversation, message
from spice_select.data.records import Conversation, Drop, Row


class Pair:
    """A column that asks and a column that answers: strings, or lists of messages (as TRL takes them).

    Attributes:
        context: a column that, where it is there, is put below the question (Dolly's ``context``).
    """

    def __init__(self, asks: str, answers: str, *, context: str | None = None, name: str | None = None) -> None:
        self.name = name or f"{asks}/{answers}"
        self._asks = asks
        self._answers = answers
        self._context = context

    def describe(self) -> str:
        context = f", {self._context} (optional)" if self._context else ""
        return f"{self.name}: {self._asks}{context} → {self._answers}"

    def matches(self, raw: Mapping[str, Any]) -> bool:
        return present(raw, self._asks, self._answers)

    def read(self, row: Row) -> Conversation | Drop:
        try:
            return conversation(row, self._messages(row.raw))
        except RowError as fault:
            return fault.drop(row.number)

    def _messages(self, raw: Mapping[str, Any]) -> list[dict[str, Any]]:
        asked = side(raw, self._asks, "user")
        if self._context and (context := optional_text(raw, self._context)):
            asked[-1] = {**asked[-1], "content": f"{asked[-1]['content']}\n{context}"}
        if system := optional_text(raw, "system"):
            asked.insert(0, {"role": "system", "content": system})
        return [*asked, *side(raw, self._answers, "assistant")]


def side(raw: Mapping[str, Any], field: str, role: str) -> list[dict[str, Any]]:
    """One column as messages: a string is one turn of the given role, a list is read turn by turn."""
    value = raw.get(field)
    if isinstance(value, list):
        if not value:
            raise RowError("empty-turn", f"the list in {field!r} is empty")
        return [message(turn, number) for number, turn in enumerate(value, start=1)]
    return [{"role": role, "content": required_text(raw, field)}]


PROMPT_COMPLETION = Pair("prompt", "completion")
PROMPT_RESPONSE = Pair("prompt", "response")
QUESTION_ANSWER = Pair("question", "answer")
INSTRUCTION_RESPONSE = Pair("instruction", "response", context="context")
