"""Which format a corpus is in, judged by all of its rows."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from spice_select.data.formats import FORMATS
from spice_select.data.formats.base import Format, described, present
from spice_select.data.formats.kinds import rejected_field
from spice_select.data.formats.preference import ChosenAnswer
from spice_select.data.records import Row
from spice_select.data.sources.text import wrapped
from spice_select.errors import InputError


def detect_format(rows: Sequence[Row], override: str | None = None) -> Format:
    """The one format of all rows.

    Rows that match no format at all do not count here; reading them later gives each its reason for being dropped.

    Args:
        rows: the whole corpus.
        override: the name of a format to use whatever the rows look like.

    Raises:
        InputError: unknown name; rows of several formats in one corpus; no row of any known format; preference
            pairs, also beside the fields of another format, unless `override` says what to read of them.
    """
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
            f"{row.where}: the rows are preference pairs (chosen/rejected), which are not supported yet. "
            "To select among the chosen answers, say so with --format chosen (format='chosen')."
        )
    other = " or among the chosen answers with --format 'chosen'" if present(row.raw, "chosen") else ""
    return (
        f"{row.where}: the row has {rejected!r} beside the fields of {found.name}: preference pairs, which are not "
        f"supported yet. To select among what stands in those fields, say so with --format {found.name}{other}."
    )


def _match(row: Row) -> Format | None:
    return next((candidate for candidate in FORMATS if candidate.matches(row.raw)), None)


def _unknown(rows: Sequence[Row]) -> str:
    lines = "\n".join(f"  {described(known)}" for known in FORMATS)
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
