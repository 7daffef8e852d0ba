"""Two columns, one for each side: prompt/completion, question/answer, instruction/response, and benchmarks' own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spice_select.data.formats.base import RowError, optional_text, present, required_text
from spice_select.data.formats.content import reasoning_column
from spice_select.data.formats.fields import Fields, says_nothing
from spice_select.data.formats.turn_texts import with_turns
from spice_select.data.formats.turns import Turn, read_turns, turn_of
from spice_select.data.records import Conversation, Drop, Row


class TwoColumns:
    """A column that asks and a column that answers: strings, or lists of messages as TRL takes them (or their JSON).

    Answers in the column that asks are of the prompt, and not learnt, as TRL has it.

    Attributes:
        context: columns that, where they are there, are put below the question (Dolly's ``context``).
        instead_of: a column that asks in other layouts; where it holds something, the row is none of these.
    """

    def __init__(
        self,
        asks: str,
        answers: str,
        *,
        context: tuple[str, ...] = (),
        instead_of: str | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or f"{asks}/{answers}"
        self._asks = asks
        self._answers = answers
        self._context = context
        self._instead_of = instead_of
        optional = "".join(f", {column} (optional)" for column in context)
        self.summary = f"{asks}{optional} → {answers}"

    def matches(self, raw: Mapping[str, Any]) -> bool:
        return present(raw, self._asks, self._answers) and not self.asked_twice(raw)

    def asked_twice(self, raw: Mapping[str, Any]) -> str:
        """Why a row with these columns is of another layout, in a sentence; "" where nothing speaks against it."""
        other = self._instead_of
        if other is None or not present(raw, self._asks, self._answers) or not _holds_words(raw.get(other)):
            return ""
        return (
            f"both {other!r} and {self._asks!r} ask something, and {self.name} reads {self._asks!r} alone; call them "
            f"instruction, input and output (alpaca), or write the whole question in {self._asks!r} and delete "
            f"{other!r}"
        )

    def read(self, row: Row) -> Conversation | Drop:
        return read_turns(row, self._turns)

    def _turns(self, fields: Fields) -> list[Turn]:
        if twice := self.asked_twice(fields):
            raise RowError("conflicting-fields", twice)
        asked = with_context(side(fields, self._asks, "user"), fields, self._context)
        return [*in_prompt(asked), *answered(fields, self._answers)]


def _holds_words(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else not says_nothing(value)


def in_prompt(asked: list[Turn]) -> list[Turn]:
    """The turns of a prompt, whose answers are read and not learnt: what is learnt is the answer to it."""
    return [replace(turn, trained=False) if turn.role == "assistant" else turn for turn in asked]


def answered(fields: Fields, field: str) -> list[Turn]:
    """The turns of the column that answers; a text has its reasoning in a column of its own."""
    value = with_turns(fields.get(field), field, answers=True)
    turns = turns_of_value(value, fields, field, "assistant")
    if isinstance(value, list | Mapping):
        return turns
    return [replace(turns[0], reasoning=reasoning_column(fields))]


def with_context(asked: list[Turn], fields: Fields, columns: tuple[str, ...]) -> list[Turn]:
    """The turns that ask, with what the columns of context hold put below the last of them."""
    for column in columns:
        if context := optional_text(fields, column):
            asked = [*asked[:-1], replace(asked[-1], text=f"{asked[-1].text}\n{context}")]
    return asked


def side(fields: Fields, field: str, role: str) -> list[Turn]:
    """One column as turns: a string is one turn of the given role, a list is read turn by turn, an object is one.

    A list or an object may stand there as JSON text.
    """
    return turns_of_value(with_turns(fields.get(field), field, answers=role == "assistant"), fields, field, role)


def turns_of_value(value: Any, fields: Fields, field: str, role: str) -> list[Turn]:
    """As `side`, of a column whose `value` was read by `with_turns`."""
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, list):
        if not value:
            raise RowError("empty-turn", f"the list in {field!r} is empty")
        if all(isinstance(turn, str) for turn in value):
            raise RowError("not-a-turn", f"{field!r} holds a list of texts; give one text, or a list of turns")
        return [_turn(turn, number) for number, turn in enumerate(value, start=1)]
    return [Turn(role=role, text=required_text(fields, field))]


def _turn(raw: Any, number: int) -> Turn:
    sharegpt = isinstance(raw, Mapping) and not present(raw, "role") and present(raw, "from")
    return turn_of(raw, number, role_key="from", content_key="value") if sharegpt else turn_of(raw, number)


PROMPT_COMPLETION = TwoColumns("prompt", "completion")
PROMPT_RESPONSE = TwoColumns("prompt", "response")
QUESTION_ANSWER = TwoColumns("question", "answer", context=("context",))
INSTRUCTION_RESPONSE = TwoColumns("instruction", "response", context=("input", "context"))

# Benchmarks as they are published, so that a target or a set that judges needs no rewriting.
PROBLEM_SOLUTION = TwoColumns("problem", "solution")  # MATH
PROMPT_CANONICAL_SOLUTION = TwoColumns("prompt", "canonical_solution")  # HumanEval
TEXT_CODE = TwoColumns("text", "code", instead_of="instruction")  # MBPP
INPUT_TARGET = TwoColumns("input", "target", instead_of="instruction")  # BIG-bench Hard
QUESTION_BEST_ANSWER = TwoColumns("question", "best_answer")  # TruthfulQA
