"""Which format a corpus is in, judged by all of its rows."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from spice_select.data.formats import FORMATS, PREFERENCE, PreferencePairs
from spice_select.data.formats.base import Format, described, present
from spice_select.data.formats.kinds import rejected_field
from spice_select.data.formats.preference import ChosenAnswer, asks
from spice_select.data.records import Row
from spice_select.data.sources.text import wrapped
from spice_select.errors import InputError


def detect_reader(rows: Sequence[Row], override: str | None = None) -> Format | PreferencePairs:
    """As `detect_format`, where pairs are taken as well: rows with ``chosen`` and ``rejected`` are pairs.

    Raises:
        InputError: as `detect_format`; rows that are pairs beside rows that are none; pairs with a prompt of their own
            beside pairs without.
    """
    if override == _UNPAIRED:
        raise InputError(
            f"--format {_UNPAIRED}: single answers marked as good or bad are not read yet. Pairs are (--format "
            f"{PREFERENCE.name}); rows with prompt and completion are read as answers, those marked false are left out."
        )
    if override == PREFERENCE.name or (override is None and any(PREFERENCE.matches(row.raw) for row in rows)):
        if override is None:
            _refuse_others(rows)
        _refuse_mixed(rows)
        return PREFERENCE
    return detect_format(rows, override)


_UNPAIRED = "kto"


def _refuse_others(rows: Sequence[Row]) -> None:
    """Raise InputError if some rows are pairs and others of a format of answers."""
    pair = next(row for row in rows if PREFERENCE.matches(row.raw))
    for row in rows:
        found = None if PREFERENCE.matches(row.raw) else _match(row)
        if found is not None:
            raise InputError(
                f"the rows are in 2 different formats: {PREFERENCE.name} first at {pair.where}; {found.name} first at "
                f"{row.where}. Split the file, or name one format to use: {PREFERENCE.name}, {found.name}."
            )


def _refuse_mixed(rows: Sequence[Row]) -> None:
    """Raise InputError if some pairs have a prompt of their own and others begin both sides with it.

    A trainer decides by the first row how all are read.
    """
    first: dict[bool, Row] = {}
    for row in rows:
        if PREFERENCE.matches(row.raw):
            first.setdefault(asks(row.raw), row)
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
        InputError: unknown name; rows of several formats in one corpus; no row of any known format; preference
            pairs, also beside the fields of another format, unless `override` says what to read of them.
    """
    if override == PREFERENCE.name:
        raise InputError(
            f"--format {PREFERENCE.name}: pairs of answers are not taken here, only by `spice select`, `spice preview` "
            "and `spice check model`. To take the chosen answers alone, give --format chosen."
        )
    if override is not None:
        return FORMATS[override]
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
    return next((candidate for candidate in FORMATS if candidate.matches(row.raw)), None)


def _unknown(rows: Sequence[Row]) -> str:
    lines = "\n".join(f"  {described(known)}" for known in (*FORMATS, PREFERENCE))
    fields = ", ".join(rows[0].raw) if rows else "none"
    where = rows[0].where if rows else "the corpus"
    known_cause = _no_json(rows[0].raw) or (wrapped(rows[0].raw) if len(rows) == 1 else "") if rows else ""
    if known_cause:
        return f"{where}: the fields ({fields}) fit no known format. {known_cause}"
    return f"{where}: the fields ({fields}) fit no known format. Rename them to one of these:\n{lines}"


def _no_json(raw: Mapping[str, Any]) -> str:
    """Which field holds text that looks like a list or an object and is no JSON, and why; "" if there is none."""
    for name, value in raw.items():
        if not isinstance(value, str) or not _NEARLY_JSON.match(value):
            continue
        try:
            json.loads(value)
        except ValueError as error:
            cause = (
                "strings stand in single quotes, as Python prints lists and objects" if _REPR.match(value) else error
            )
            return (
                f"The text in {name!r} is no JSON: {cause}. Write the cells with json.dumps (ast.literal_eval reads "
                "what Python printed), or save the table as JSON lines or Parquet, which keep lists."
            )
    return ""


_NEARLY_JSON = re.compile(r"""\s*[\[(]?\s*\{\s*['"]""")  # an object, or a list of them
_REPR = re.compile(r"[^'\"]*'")
