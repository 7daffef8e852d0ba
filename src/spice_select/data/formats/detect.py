"""Which format a corpus is in, judged by all of its rows."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from spice_select.data.formats import FORMATS, MARKED, PREFERENCE, PreferencePairs
from spice_select.data.formats.base import Described, Format, RowError, described, present
from spice_select.data.formats.choices import MULTIPLE_CHOICE, refuse_counted_from_one
from spice_select.data.formats.kinds import rejected_field
from spice_select.data.formats.marks import mark_of, marks_in
from spice_select.data.formats.messages import TurnList
from spice_select.data.formats.pair_rows import holds_prompt
from spice_select.data.formats.preference import ChosenAnswer, asks
from spice_select.data.formats.turn_texts import NO_JSON_REMEDY, cause
from spice_select.data.formats.two_columns import TwoColumns
from spice_select.data.json_texts import parsed_text
from spice_select.data.records import Row
from spice_select.data.sources.wrappers import in_columns, wrapped
from spice_select.errors import InputError


def detect_reader(rows: Sequence[Row], override: str | None = None) -> Format | PreferencePairs:
    """As `detect_format`, where more is taken than answers to be learnt: pairs, and answers marked good or bad.

    Rows with ``chosen`` and ``rejected`` are pairs, rows with an answer and a mark of it are marked answers.

    Raises:
        InputError: as `detect_format`; rows of one kind beside rows of another; pairs with a prompt of their own beside
            pairs without; marks that are all the same.
    """
    _refuse_columns(rows)
    readers = (MARKED, PREFERENCE)
    reader = next((one for one in readers if override == one.name), None)
    if override is None:
        reader = next((one for one in readers if any(one.matches(row.raw) for row in rows)), None)
        if reader is not None:
            _refuse_others(rows, reader)
    if reader is None:
        return detect_format(rows, override)
    (_refuse_mixed if reader is PREFERENCE else _refuse_one_mark)(rows)
    return reader


def _refuse_columns(rows: Sequence[Row]) -> None:
    """Raise InputError if the only row is a table by columns: its fields may have the names of a format."""
    if len(rows) == 1 and (cause := in_columns(rows[0].raw)):
        raise InputError(f"{rows[0].where}: the fields ({', '.join(rows[0].raw)}) are those of no single row. {cause}")


def _refuse_others(rows: Sequence[Row], reader: Described) -> None:
    """Raise InputError if some rows are what this reader reads, and others are not."""
    kinds: dict[str, Row] = {}
    for row in rows:
        found = next((one for one in (MARKED, PREFERENCE) if one.matches(row.raw)), None) or _match(row)
        if found is not None:
            kinds.setdefault(found.name, row)
    if others := [name for name in kinds if name != reader.name]:
        raise InputError(
            f"the rows are in {len(kinds)} different formats: {reader.name} first at {kinds[reader.name].where}; "
            f"{others[0]} first at {kinds[others[0]].where}. Split the file, or name one format to use: "
            f"{', '.join((reader.name, *others))}."
        )


def _refuse_one_mark(rows: Sequence[Row]) -> None:
    """Raise InputError if all marked answers are good, or all are bad: there is nothing to tell them apart by."""
    marked: dict[bool, list[Row]] = {True: [], False: []}
    for row in rows:
        with suppress(RowError):  # two marks that differ: the row is dropped when it is read
            if (mark := mark_of(row.raw)) is not None:
                marked[mark].append(row)
    if bool(marked[True]) == bool(marked[False]):
        return
    said = "true" if marked[True] else "false"
    there = marked[True] or marked[False]
    neither = next((row for row in rows if present(row.raw, "label") and not marks_in(row.raw)), None)
    left = f" ({neither.where}: {neither.raw['label']!r} is neither true nor false, 1 or 0)" if neither else ""
    raise InputError(
        f"{there[0].where} to {there[-1].where}: all {len(there):,} marks (label or kto_tag) are {said}{left}; KTO "
        "needs good answers and bad ones. Add the others; or read these as answers to learn by naming another format, "
        "say --format prompt/completion (it leaves out those marked false)."
    )


def _refuse_mixed(rows: Sequence[Row]) -> None:
    """Raise InputError if some pairs have a prompt of their own and others begin both sides with it.

    A trainer decides by the first row how all are read. Pairs without any prompt are dropped when they are read.
    """
    first: dict[bool, Row] = {}
    for row in rows:
        if not PREFERENCE.matches(row.raw) or (asked := asks(row.raw)) in first:
            continue
        if asked or holds_prompt(row.raw):  # to look into a side is to read it: once one is found, no other is
            first[asked] = row
    if len(first) == 2:
        raise InputError(
            f"pairs of two kinds in one corpus: with a prompt of their own first at {first[True].where}; with the "
            f"prompt inside chosen and rejected first at {first[False].where}. Split the file into one of each kind."
        )


def detect_format(rows: Sequence[Row], override: str | None = None) -> Format:
    """The one format of all rows, of those that have answers.

    Rows that match no format at all do not count here; reading them later gives each its reason for being dropped.

    Args:
        rows: the whole corpus.
        override: the name of a format to use whatever the rows look like.

    Raises:
        InputError: unknown name; rows of several formats in one corpus; no row of any known format; a table by columns
            for the only row; right choices that are counted from 1; preference pairs, also beside the fields of another
            format, unless `override` says what to read of them.
    """
    _refuse_columns(rows)
    if override == PREFERENCE.name:
        raise InputError(
            f"--format {PREFERENCE.name}: pairs of answers are not taken here (`detect_reader` reads them). To take "
            "the chosen answers alone, give --format chosen."
        )
    if override == MARKED.name:
        raise InputError(
            f"--format {MARKED.name}: answers marked good or bad are not taken here (`detect_reader` reads them). To "
            "take the good ones alone, give --format prompt/completion, say."
        )
    found = _only_format(rows) if override is None else FORMATS[override]
    if found is MULTIPLE_CHOICE:
        refuse_counted_from_one(rows)
    return found


def _only_format(rows: Sequence[Row]) -> Format:
    first: dict[str, tuple[Format, Row]] = {}
    pair: tuple[Format, Row, str] | None = None
    for row in rows:
        found = _match(row)
        if found is not None:
            first.setdefault(found.name, (found, row))
            if pair is None and (rejected := rejected_field(row.raw)):
                pair = (found, row, rejected)
    if not first:
        raise InputError(_unknown(rows))
    if len(first) > 1:
        places = "; ".join(f"{name} first at {row.where}" for name, (_, row) in first.items())
        raise InputError(
            f"the rows are in {len(first)} different formats: {places}. "
            f"Split the file, or name one format to use: {', '.join(first)}."
        )
    if pair is not None:
        raise InputError(_pairs(*pair))
    return next(iter(first.values()))[0]


def _pairs(found: Format, row: Row, rejected: str) -> str:
    if isinstance(found, ChosenAnswer):
        return (
            f"{row.where}: the rows are preference pairs (chosen/rejected), which are not taken here. "
            "To take the chosen answers alone, say so with --format chosen (format='chosen')."
        )
    other = " or among the chosen answers with --format 'chosen'" if present(row.raw, "chosen") else ""
    return (
        f"{row.where}: the row has {rejected!r} beside the fields of {found.name}: preference pairs, which are not "
        f"taken so. To select among what stands in those fields, say so with --format {found.name}{other}."
    )


def _match(row: Row) -> Format | None:
    matching = (candidate for candidate in FORMATS if candidate.matches(row.raw))
    first = next(matching, None)
    if isinstance(first, TurnList) and first.is_empty(row.raw):
        return next(matching, first)
    return first


def _unknown(rows: Sequence[Row]) -> str:
    lines = "\n".join(f"  {described(known)}" for known in (*FORMATS, PREFERENCE, MARKED))
    fields = ", ".join(rows[0].raw) if rows else "none"
    where = rows[0].where if rows else "the corpus"
    these = f"them to one of these:\n{lines}"
    known_cause = _known_cause(rows, f"rename {these}") if rows else ""
    return f"{where}: the fields ({fields}) fit no known format. {known_cause or f'Rename {these}'}"


def _known_cause(rows: Sequence[Row], if_turns: str) -> str:
    """Why the first row fits no format, where that can be told; else ""."""
    raw = rows[0].raw
    alone = wrapped(raw, if_turns) if len(rows) == 1 else ""
    return _no_json(raw) or _asked_twice(raw) or _called_otherwise(raw) or _one_turn(raw) or alone


def _asked_twice(raw: Mapping[str, Any]) -> str:
    """Why a row with the columns of a format is none of it, where another column asks too; "" if none does."""
    found = (known.asked_twice(raw) for known in FORMATS if isinstance(known, TwoColumns))
    cause = next(filter(None, found), "")
    return cause and f"{cause[0].upper()}{cause[1:]}."


def _no_json(raw: Mapping[str, Any]) -> str:
    """Which field holds text that looks like a list or an object and is no JSON, and why; "" if there is none."""
    for name, value in raw.items():
        if not isinstance(value, str) or not _NEARLY_JSON.match(value):
            continue
        try:
            parsed_text(value)
        except ValueError as error:
            return f"The text in {name!r} is {cause(value, error)}. {NO_JSON_REMEDY}"
    return ""


def _one_turn(raw: Mapping[str, Any]) -> str:
    """What to do where a row is one turn of a conversation, and not a conversation; "" where it is none."""
    if not any(present(raw, *fields) for fields in (("role", "content"), ("from", "value"))):
        return ""
    return "Each row is one turn: put the turns of a conversation in one row, as a list called messages."


def _called_otherwise(raw: Mapping[str, Any]) -> str:
    """What to call the fields where they are a format's but for capital letters and the spaces around them."""
    names = {str(name).strip().lower(): value for name, value in raw.items()}
    found = next((known for known in (MARKED, PREFERENCE, *FORMATS) if known.matches(names)), None)
    if found is None:
        return ""
    return f"In small letters, without spaces around them, they are those of {found.name}: {', '.join(names)}."


_NEARLY_JSON = re.compile(r"""\s*[\[(]?\s*\{\s*['"]""")  # an object, or a list of them
