"""A question with choices, one of them right, as benchmarks lay it out: MMLU, ARC, HellaSwag and their kin."""

import re
from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, present, required_text
from spice_select.data.formats.content import reasoning_column
from spice_select.data.formats.fields import Fields
from spice_select.data.formats.turn_texts import NO_JSON_REMEDY, cause
from spice_select.data.formats.turns import Turn, read_turns
from spice_select.data.json_texts import parsed_text
from spice_select.data.records import Conversation, Drop, Row

_ASKS = ("question", "query", "ctx")
_CHOICES = ("choices", "endings", "options")
_RIGHT = ("answer", "answerKey", "label")
_LIST = re.compile(r"""\s*[\[{]\s*(['"\[{]|array\(|-?[\d.]+\s*,)""")  # as JSON, Python and numpy write them


_PLACE = re.compile(r"[A-Za-z]|\d+")


class MultipleChoice:
    """The question, answered by the text of the right choice; the others are not shown.

    That is the cloze form. Small models answer by letters at chance, while how likely they find the right text tells
    them apart (DataDecide, arXiv 2504.11393). Read as ``question/answer``, MMLU's rows would be answered by a place in
    a list.

    Choices are a list of texts or numbers, a list of ``{text, label}``, ``{text: […], label: […]}`` or ``{label:
    text}``, or JSON text of these where the answer may point at one, beside the question or inside it (ARC). The right
    one is a label, a letter, a place from 0, or the text itself.
    """

    name = "choices"
    summary = "question (or query, ctx), choices (or endings, options), answer (or answerKey, label) → the right choice"

    def matches(self, raw: Mapping[str, Any]) -> bool:
        inner = raw.get("question")
        asked = {**raw, **inner, "question": inner.get("stem")} if isinstance(inner, Mapping) else raw
        return all(any(present(asked, name) for name in names) for names in (_ASKS, _CHOICES, _RIGHT)) and any(
            _is_list(asked.get(name)) and (not isinstance(asked[name], str) or _points(raw)) for name in _CHOICES
        )

    def read(self, row: Row) -> Conversation | Drop:
        return read_turns(row, _turns)


def _turns(fields: Fields) -> list[Turn]:
    asks = _first(fields, _ASKS)
    asked, inner = fields, fields[asks]
    if isinstance(inner, Mapping):  # ARC: the question holds its choices
        asked, asks = Fields(inner), "stem"
    question, column = required_text(asked, asks), _first(asked, _CHOICES)
    texts, labels = _texts_and_labels(_listed(asked[column], column))
    right = texts[_place(fields[_first(fields, _RIGHT)], texts, labels)]
    unread = () if asked is fields else asked.unread()
    answer = Turn(role="assistant", text=right, reasoning=reasoning_column(fields))
    return [Turn(role="user", text=question, unread=unread), answer]


def _first(fields: Fields, names: tuple[str, ...]) -> str:
    found = next((name for name in names if name in fields), None)
    if found is None:
        raise RowError("missing-field", f"none of the fields {', '.join(names)} is there")
    return found


def _points(raw: Mapping[str, Any]) -> bool:
    """Whether what is right may be a place in a list: a number or a letter, which must not be learnt for an answer."""
    right = next((raw[name] for name in _RIGHT if present(raw, name)), None)
    return isinstance(right, int | float) or (isinstance(right, str) and bool(_PLACE.fullmatch(right.strip())))


def _is_list(value: Any) -> bool:
    """Whether a value is a list or an object, or text that is laid out as one, JSON or not."""
    return isinstance(value, list | tuple | Mapping) or (isinstance(value, str) and bool(_LIST.match(value)))


def _listed(value: Any, column: str) -> Any:
    if not isinstance(value, str) or not _is_list(value):
        return value
    try:
        return parsed_text(value)
    except ValueError as error:
        raise RowError(
            "no-right-choice", f"the text in {column!r} is {cause(value, error)}. {NO_JSON_REMEDY}"
        ) from error


def _texts_and_labels(choices: Any) -> tuple[list[str], list[str]]:
    """The texts of the choices and the labels that they bring; no labels where they bring none."""
    texts, labels = choices, None
    if isinstance(choices, Mapping):
        by_label = "text" not in choices and all(isinstance(text, str) for text in choices.values())
        texts, labels = ([*choices.values()], [*choices]) if by_label else (choices.get("text"), choices.get("label"))
    elif isinstance(choices, list | tuple) and choices and all(isinstance(one, Mapping) for one in choices):
        texts, labels = [one.get("text") for one in choices], [one.get("label") for one in choices]
    if not isinstance(texts, list | tuple) or not texts or not all(map(_is_text, texts)):
        raise RowError("no-right-choice", "the choices are no list of texts")
    return [str(text) for text in texts], [str(label) for label in labels] if isinstance(labels, list | tuple) else []


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool))


def _place(right: Any, texts: list[str], labels: list[str]) -> int:
    """Which choice is the right one."""
    said = str(right).strip()
    names = labels or [chr(ord("A") + place) for place in range(len(texts))]
    for known in (names, [str(place) for place in range(len(texts))], texts):
        if said in known and len(known) == len(texts):
            return known.index(said)
    raise RowError("no-right-choice", f"the right choice is {said[:40]!r}, and there are: {', '.join(names)[:80]}")


MULTIPLE_CHOICE = MultipleChoice()
