"""What a row says of its own answer: one to give or one not to give (``label``, ``kto_tag``)."""

from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, present
from spice_select.data.formats.fields import Fields
from spice_select.data.formats.switches import true_or_false, yes_or_no

MARKS = ("label", "kto_tag")


def is_marked(raw: Mapping[str, Any]) -> bool:
    """Whether a row marks its answer beyond doubt; a `label` of 0 or 1, in words, or beside turns, may be a class."""
    if yes_or_no(raw.get("kto_tag")) is not None:
        return True
    return present(raw, "completion") and isinstance(raw.get("label"), bool)


def marks_in(raw: Mapping[str, Any]) -> dict[str, bool]:
    """The marks of a row where they are asked for; beside a ``kto_tag`` a `label` in numbers is none."""
    tag = yes_or_no(raw.get("kto_tag"))
    label = (yes_or_no if tag is None else true_or_false)(raw.get("label"))
    return {field: mark for field, mark in (("label", label), ("kto_tag", tag)) if mark is not None}


def mark_of(raw: Mapping[str, Any]) -> bool | None:
    """What a row says of its answer where that is asked for; None where it says nothing.

    Raises:
        RowError: its two marks say opposite things.
    """
    marks = marks_in(raw)
    if len(set(marks.values())) > 1:
        raise RowError("conflicting-fields", f"label is {raw['label']!r} and kto_tag is {raw['kto_tag']!r}")
    return next(iter(marks.values()), None)


def refuse_bad_answer(row: Fields) -> None:
    """Raise a `RowError` if the row marks its own answer as one not to give, as unpaired preferences do.

    A `label` that is no truth value may be a class; one that says which choice is right is read already.
    """
    label = row.peek("label")
    marks = {"kto_tag": yes_or_no(row.peek("kto_tag"))}
    if "label" in row.unread() and isinstance(label, bool):
        marks["label"] = label
    for field in (field for field, mark in marks.items() if mark is not None):
        value = row[field]
        if not marks[field]:
            raise RowError("bad-answer", f"the row marks its answer as a bad one ({field}: {value!r})")


def may_be_marked(row: Fields) -> bool:
    """Whether a `label` that nobody read could mark an answer, of a layout that `--format kto` reads."""
    asked = any(field in row for field in ("completion", "output", "messages", "conversations"))
    return asked and "label" in row.unread() and yes_or_no(row.peek("label")) is not None
