"""A row of a corpus by what a person calls it: its number, its place or its SHA-256."""

from collections.abc import Sequence

from spice_select.data.records import Row
from spice_select.errors import InputError
from spice_select.settings.counted import counted

_HASH = 6
"""Digits of a SHA-256 that may stand for it. A number of so many that is no row's is taken for such digits."""


def row_called(asked: int | str, corpus: Sequence[Row] | str, count: int) -> int:
    """The number of the row that is called so.

    Args:
        asked: its number, its place (``train.jsonl:17``, folders before it or not) or the beginning of its SHA-256.
        corpus: every row, or why they cannot be had.
        count: how many there are.

    Raises:
        InputError: no row is called so, or several are.
    """
    name = str(asked).strip()
    if name.removeprefix("-").isdecimal() and (int(name) < count or len(name) < _HASH):
        if not 0 <= int(name) < count:
            there = f"{counted(count, 'row')}, numbered 0 to {count - 1}"
            raise InputError(f"row {name}: the corpus has {there}. Give one of them.")
        return int(name)
    if isinstance(corpus, str):
        raise InputError(f"row {name!r}: it can be asked for by its number alone (0 to {count - 1}), since {corpus}")
    found = [row.number for row in corpus if _is_called(row, name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(
            f"row {name!r}: no row is called so. Give its number (0 to {count - 1}), its place (that of the first is "
            f"{corpus[0].where!r}) or the beginning of its SHA-256, {_HASH} digits or more."
        )
    named = ", ".join(map(str, found[:8])) + (", …" if len(found) > 8 else "")
    raise InputError(f"row {name!r}: {len(found)} rows are called so: {named}. Give the number of one.")


def _is_called(row: Row, name: str) -> bool:
    if row.where == name or row.where.endswith(f"/{name}"):
        return True
    digits = name.lower()
    return len(digits) >= _HASH and set(digits) <= set("0123456789abcdef") and row.content_hash.startswith(digits)
