"""A question with choices, one of them right, as benchmarks lay it out: MMLU, ARC, HellaSwag and their kin."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from spice_select.data.formats.base import RowError, digits, present, required_text
from spice_select.data.formats.content import reasoning_column
from spice_select.data.formats.fields import Fields, absent, says_nothing
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
    one is a label, a letter, a place from 0, or the text itself; what may be the place of one and the text of another
    is not guessed.
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
    choices, labels = _choices_and_labels(_listed(asked[column], column))
    texts = [_words(choice, fields, column) for choice in choices]
    right = _first(fields, _RIGHT)
    # a number beside choices in words is a place, and so is its text in tables that hold nothing but text
    numbers = not all(isinstance(choice, str) for choice in choices)
    may_be_text = (numbers or isinstance(fields[right], str)) and not isinstance(asked[column], str)
    place = _place(_words(fields[right], fields, right).strip(), texts, labels, may_be_text=may_be_text)
    unread = () if asked is fields else asked.unread()
    answer = Turn(role="assistant", text=texts[place], reasoning=reasoning_column(fields))
    return [Turn(role="user", text=question, unread=unread), answer]


def _first(fields: Fields, names: tuple[str, ...]) -> str:
    there = [name for name in names if name in fields]
    found = next((name for name in there if not says_nothing(fields.peek(name))), next(iter(there), None))
    if found is None:
        raise RowError("missing-field", f"none of the fields {', '.join(names)} is there")
    return found


def _points(raw: Mapping[str, Any]) -> bool:
    """Whether what is right may be a place in a list: a number or a letter, which must not be learnt for an answer."""
    right = next((raw[name] for name in _RIGHT if present(raw, name)), None)
    return isinstance(right, int | float) or (isinstance(right, str) and bool(_PLACE.fullmatch(right.strip())))


def _is_list(value: Any) -> bool:
    """Whether a value is a list or an object that holds something, or text laid out as one, JSON or not."""
    if isinstance(value, str):
        return bool(_LIST.match(value))
    return isinstance(value, list | tuple | Mapping) and not says_nothing(value)


def _listed(value: Any, column: str) -> Any:
    if not isinstance(value, str) or not _is_list(value):
        return value
    try:
        return parsed_text(value)
    except ValueError as error:
        raise RowError(
            "no-right-choice", f"the text in {column!r} is {cause(value, error)}. {NO_JSON_REMEDY}"
        ) from error


def _choices_and_labels(choices: Any) -> tuple[list[Any], list[str]]:
    """The choices, texts or numbers, and the labels that they bring; no labels where they bring none."""
    found, labels = choices, None
    if isinstance(choices, Mapping):
        told = {label: choice for label, choice in choices.items() if not absent(choice)}  # tables pad with null
        by_label = "text" not in told and all(isinstance(choice, str) for choice in told.values())
        found, labels = ([*told.values()], [*told]) if by_label else (told.get("text"), told.get("label"))
    elif isinstance(choices, list | tuple) and choices and all(isinstance(one, Mapping) for one in choices):
        found, labels = [one.get("text") for one in choices], [one.get("label") for one in choices]
    if not isinstance(found, list | tuple) or not found or not all(map(_is_text, found)):
        raise RowError("no-right-choice", "the choices are no list of texts")
    brought = list(labels) if isinstance(labels, list | tuple) and not all(map(absent, labels)) else []
    return list(found), [str(label) for label in brought]


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and not absent(value)


def _words(value: Any, fields: Fields, column: str) -> str:
    """A choice, or what is right, as text: the digits of a number."""
    return digits(value, fields, column) if isinstance(value, float) else str(value)


def _place(said: str, texts: Sequence[str], labels: Sequence[str], *, may_be_text: bool) -> int:
    """Which choice is the right one: by its label, else by letter, place or text, where these do not differ."""
    if said in labels and len(labels) == len(texts):
        return labels.index(said)
    letters = [] if labels else [chr(ord("A") + place) for place in range(len(texts))]
    places = [str(place) for place in range(len(texts))]
    pointed = next((known.index(said) for known in (letters, places) if said in known), None)
    if pointed is None and said in texts:
        return texts.index(said)
    if pointed is None:
        there = ", ".join(labels or letters)
        raise RowError("no-right-choice", f"the right choice is {said[:40]!r}, and there are: {there[:80]}")
    if may_be_text and said in texts and texts[pointed] != said:
        raise RowError(
            "no-right-choice", f"the right choice is {said!r}: the text of one, and the letter or place of another"
        )
    return pointed


MULTIPLE_CHOICE = MultipleChoice()
