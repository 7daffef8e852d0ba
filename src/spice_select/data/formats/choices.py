"""A question with choices, one of them right, as benchmarks lay it out: MMLU, ARC, HellaSwag and their kin."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spice_select.data.formats.base import RowError, digits, present, required_text
from spice_select.data.formats.content import reasoning_column
from spice_select.data.formats.fields import Fields, absent, says_nothing
from spice_select.data.formats.turn_texts import NO_JSON_REMEDY, cause
from spice_select.data.formats.turns import Turn, read_turns
from spice_select.data.json_texts import parsed_text
from spice_select.data.records import Conversation, Drop, Row
from spice_select.errors import InputError

_ASKS = ("question", "query", "ctx")
_CHOICES = ("choices", "endings", "options")
_RIGHT = ("answer", "answerKey", "label")
_LIST = re.compile(r"""\s*[\[{]\s*(['"\[{]|array\(|-?[\d.]+\s*,)""")  # as JSON, Python and numpy write them
_PLACE = re.compile(r"[(\[]?[A-Za-z][)\].]?|\d+")
_COLUMN = re.compile(r"([A-Z])|((?:option|opt|op|choice|ending|answer)[_ ]?)([A-Za-z]|\d)")
_FIRST = ("A", "0", "1")


class MultipleChoice:
    """The question, answered by the text of the right choice; the others are not shown.

    That is the cloze form. Small models answer by letters at chance, while how likely they find the right text tells
    them apart (DataDecide, arXiv 2504.11393). Read as ``question/answer``, MMLU's rows would be answered by a place in
    a list.

    Choices are a list of texts or numbers, a list of ``{text, label}``, ``{text: […], label: […]}`` or ``{label:
    text}``, or JSON text of these where the answer may point at one, beside the question or inside it (ARC); or, where
    the answer may point at one, columns of their own (C-Eval's ``A`` to ``D``, ``option_a``, ``opa``). The right one is
    a label, a letter, a place from 0 where no labels are, or the text itself; what may be the place of one and the text
    of another is not guessed, and neither are choices in a text that is no list.
    """

    name = "choices"
    summary = (
        "question (or query, ctx), choices (or endings, options; or A, B, …; option_a, …), answer (or answerKey, "
        "label) → the right choice"
    )

    def matches(self, raw: Mapping[str, Any]) -> bool:
        inner = raw.get("question")
        asked = {**raw, **inner, "question": inner.get("stem")} if isinstance(inner, Mapping) else raw
        if not all(any(present(asked, name) for name in names) for names in (_ASKS, _RIGHT)):
            return False
        told = [asked[name] for name in _CHOICES if present(asked, name)]
        if any(_is_list(value) for value in told if not isinstance(value, str)):
            return True
        return _points(raw) and (any(isinstance(one, str) and one.strip() for one in told) or bool(_columns(asked)))

    def read(self, row: Row) -> Conversation | Drop:
        return read_turns(row, _turns)


def refuse_counted_from_one(rows: Sequence[Row]) -> None:
    """Raise InputError if the right choices seem to be counted from 1: the place of none is 0, and of one past the end.

    Read from 0, as places in a list are, each would be the choice after the right one.
    """
    past: tuple[Row, int] | None = None
    for row in rows:
        place, there = _numbered(row)
        if place == 0:
            return
        if place == there and past is None:
            past = (row, there)
    if past is not None:
        row, there = past
        raise InputError(
            f"{row.where}: the right one of {there} choices is {there}, and of no row it is 0: they seem to be counted "
            "from 1, and are read as places from 0. Take 1 off each, or give letters (A, B, …) or the choices' texts."
        )


def _numbered(row: Row) -> tuple[int, int]:
    """Which place in a list a row names by a number, and how many choices there are; -1 where it names none so."""
    try:
        posed = _posed(Fields(row.raw))
    except RowError:
        return -1, 0
    may_be = [str(place) for place in range(len(posed.texts) + 1)]
    told = not posed.labels and posed.right in may_be and posed.right not in posed.texts
    return (int(posed.right) if told else -1), len(posed.texts)


@dataclass(frozen=True, slots=True)
class _Posed:
    """A question with its choices.

    Attributes:
        labels: those that the choices bring; none where they bring none.
        right: what the row says of the right one.
        may_be_text: whether that may be the text of a choice where it is the letter or place of another.
        unread: fields of the question that nobody read.
    """

    question: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    right: str
    may_be_text: bool
    unread: tuple[str, ...]


def _turns(fields: Fields) -> list[Turn]:
    posed = _posed(fields)
    place = _place(posed)
    if not posed.labels and posed.right == str(place) != posed.texts[place]:
        fields.remarks.append("place-from-0")
    answer = Turn(role="assistant", text=posed.texts[place], reasoning=reasoning_column(fields))
    return [Turn(role="user", text=posed.question, unread=posed.unread), answer]


def _posed(fields: Fields) -> _Posed:
    asks = _first(fields, _ASKS)
    asked, inner = fields, fields[asks]
    if isinstance(inner, Mapping):  # ARC: the question holds its choices
        asked, asks = Fields(inner), "stem"
    question = required_text(asked, asks)
    columns = {} if any(not says_nothing(asked.peek(name)) for name in _CHOICES) else _columns(asked)
    column = "" if columns else _first(asked, _CHOICES)
    given = [asked[name] for name in columns.values()] if columns else asked[column]
    choices, labels = (given, list(columns)) if columns else _choices_and_labels(_listed(given, column), column)
    texts = tuple(_words(choice, fields, column) for choice in choices)
    name = _first(fields, _RIGHT)
    right = _words(fields[name], fields, name).strip()
    # a number beside choices in words is a place, and so is its text in tables that hold nothing but text
    numbers = not all(isinstance(choice, str) for choice in choices)
    return _Posed(
        question=question,
        texts=texts,
        labels=tuple(labels),
        right=right.upper() if columns and right.upper() in labels else right,
        may_be_text=(numbers or isinstance(fields[name], str)) and not isinstance(given, str),
        unread=() if asked is fields else asked.unread(),
    )


def _columns(raw: Mapping[str, Any]) -> dict[str, str]:
    """The columns that hold a choice each, by their labels; none where there are not two or more that begin a row."""
    kinds: dict[str, dict[str, str]] = {}
    for name in raw:
        if (found := _COLUMN.fullmatch(str(name))) and _is_text(raw.get(name)) and str(raw[name]).strip():
            kinds.setdefault(found[2] or "", {})[(found[1] or found[3]).upper()] = name
    whole = (kind for kind in kinds.values() if len(kind) > 1 and any(first in kind for first in _FIRST))
    return dict(sorted(next(whole, {}).items()))


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


def _choices_and_labels(choices: Any, column: str) -> tuple[list[Any], list[str]]:
    """The choices, texts or numbers, and the labels that they bring; no labels where they bring none."""
    found, labels = choices, None
    if isinstance(choices, Mapping):
        told = {label: choice for label, choice in choices.items() if not absent(choice)}  # tables pad with null
        by_label = "text" not in told and all(isinstance(choice, str) for choice in told.values())
        found, labels = ([*told.values()], [*told]) if by_label else (told.get("text"), told.get("label"))
    elif isinstance(choices, list | tuple) and choices and all(isinstance(one, Mapping) for one in choices):
        found, labels = [one.get("text") for one in choices], [one.get("label") for one in choices]
    if not isinstance(found, list | tuple) or not found or not all(map(_is_text, found)):
        what = f"the text in {column!r} is" if isinstance(choices, str) else "the choices are"
        raise RowError("no-right-choice", f"{what} no list of texts")
    brought = list(labels) if isinstance(labels, list | tuple) and not all(map(absent, labels)) else []
    return list(found), [str(label) for label in brought]


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and not absent(value)


def _words(value: Any, fields: Fields, column: str) -> str:
    """A choice, or what is right, as text: the digits of a number."""
    return digits(value, fields, column) if isinstance(value, float) else str(value)


def _place(posed: _Posed) -> int:
    """Which choice is the right one: by its label, else by letter, place or text, where these do not differ."""
    said, texts, labels = posed.right, posed.texts, posed.labels
    if said in labels and len(labels) == len(texts):
        return labels.index(said)
    # beside labels a number that is none of them may count from 0 or from 1
    letters = [] if labels else [chr(ord("A") + place) for place in range(len(texts))]
    places = [] if labels else [str(place) for place in range(len(texts))]
    pointed = next((known.index(said) for known in (letters, places) if said in known), None)
    if pointed is None and said in texts:
        return texts.index(said)
    if pointed is None:
        there = ", ".join(labels or letters)
        raise RowError("no-right-choice", f"the right choice is {said[:40]!r}, and there are: {there[:80]}")
    if posed.may_be_text and said in texts and texts[pointed] != said:
        raise RowError(
            "no-right-choice", f"the right choice is {said!r}: the text of one, and the letter or place of another"
        )
    return pointed


MULTIPLE_CHOICE = MultipleChoice()
