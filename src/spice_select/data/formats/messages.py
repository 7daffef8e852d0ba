"""Lists of turns: ``messages`` (OpenAI, TRL) and ``conversations`` (ShareGPT)."""

from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, present
from spice_select.data.formats.fields import Fields
from spice_select.data.formats.turn_lists import OPENS, list_in, parsed_turns
from spice_select.data.formats.turn_texts import NO_JSON_REMEDY, cause
from spice_select.data.formats.turns import Turn, read_turns, turn_of
from spice_select.data.records import Conversation, Drop, Row

_KEYS = ("role", "from")
_COLUMNS = ("messages", "conversations", "conversation")


class TurnList:
    """A column with a list of turns, each an object with a role and a content.

    The column may be called ``messages``, ``conversations`` or ``conversation``; what sets the two formats apart is
    how a turn names its fields. A column of JSON text (as in CSV) is read as what it holds, an object of lists or a
    list of JSON texts as the list of turns that it is (`turn_lists`). A ``system`` column becomes the first turn where
    the list does not begin with one; ``tools`` are passed on.
    """

    def __init__(self, name: str, role_key: str, content_key: str, usual_column: str) -> None:
        self.name = name
        self._role_key = role_key
        self._content_key = content_key
        self._usual_column = usual_column
        self.summary = f"a list of turns in {usual_column!r}, each with {role_key}/{content_key}"

    def matches(self, raw: Mapping[str, Any]) -> bool:
        column, turns = _column(raw)
        if not turns:
            # an empty list belongs to whichever of the two is usual for the column
            return column is not None and present(raw, self._usual_column)
        if not isinstance(turns[0], Mapping):
            return False
        said = [key for key in _KEYS if present(turns[0], key)]
        # a null role is padding beside the other kind's, and a fault of the turn where there is none
        return self._role_key in (said or turns[0])

    def is_empty(self, raw: Mapping[str, Any]) -> bool:
        """Whether the row's list has no turn: then it says nothing where the row has the fields of another format."""
        return not _column(raw)[1]

    def read(self, row: Row) -> Conversation | Drop:
        return read_turns(row, self.turns)

    def turns(self, fields: Fields) -> list[Turn]:
        """The turns in a row's list."""
        column, raw_turns = _column(fields)
        if column is None:
            raise _no_list(fields, self._usual_column)
        fields[column]
        return [
            turn_of(turn, number, role_key=self._role_key, content_key=self._content_key)
            for number, turn in enumerate(raw_turns, start=1)
        ]


def turns_in(fields: Fields) -> list[Turn] | None:
    """The turns in a row's list, however they name their fields; None if there is no list."""
    found = next((known for known in (MESSAGES, SHAREGPT) if known.matches(fields)), None)
    return found.turns(fields) if found else None


def _column(raw: Mapping[str, Any]) -> tuple[str | None, list[Any]]:
    """The first column that holds a list of turns, and the list; None and an empty one if there is no such column.

    An empty list counts only where no other column holds turns.
    """
    empty: str | None = None
    for column in _COLUMNS:
        turns = list_in(_value(raw, column))
        if turns:
            return column, turns
        if turns is not None:
            empty = empty or column
    return empty, []


def _value(raw: Mapping[str, Any], column: str) -> Any:
    return raw.peek(column) if isinstance(raw, Fields) else raw.get(column)


def _no_list(fields: Fields, usual_column: str) -> RowError:
    """Why a row has no list of turns: there is none, or its text is no JSON."""
    for column in _COLUMNS:
        text = fields.peek(column)
        try:
            if isinstance(text, str) and OPENS.match(text):
                parsed_turns(text)
        except ValueError as error:
            return RowError("not-a-turn", f"the text in {column!r} is {cause(text, error)}. {NO_JSON_REMEDY}")
    return RowError("missing-field", f"there is no list of turns in {usual_column!r}")


MESSAGES = TurnList("messages", "role", "content", "messages")
SHAREGPT = TurnList("sharegpt", "from", "value", "conversations")
