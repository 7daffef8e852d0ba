"""Comma- and tab-separated tables; the first line that is not blank names the columns, every value is a string."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from spice_select.data.sources.bytes import Content
from spice_select.errors import InputError


def read_csv(content: Content) -> Iterator[tuple[dict[str, str], str]]:
    """Comma-separated (RFC 4180: quoted cells may hold commas, quotes and line ends)."""
    yield from _read(content, ",")


def read_tsv(content: Content) -> Iterator[tuple[dict[str, str], str]]:
    """Tab-separated."""
    yield from _read(content, "\t")


def _read(content: Content, delimiter: str) -> Iterator[tuple[dict[str, str], str]]:
    # the default limit of 128 KiB a cell is less than a long conversation
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    path = content.path
    _refuse_json(path, next((line for line in content.lines("") if line.strip()), ""))
    reader = csv.reader(content.lines(""), delimiter=delimiter, strict=True)
    header, line = list[str](), 1
    try:
        for cells in reader:
            if cells and not header:
                header = cells
                _refuse_header(f"{path}:{line}", header, delimiter)
            elif cells:
                yield _row(path, line, header, cells), f":{line}"
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: broken CSV: {error}. Check the quotes of this row.") from error


def _refuse_json(path: Path, first: str) -> None:
    if first.replace(" ", "").startswith('{"'):
        raise InputError(f"{path}: the first line is a JSON object, not the names of columns. Name the file .jsonl.")


def _refuse_header(where: str, header: list[str], delimiter: str) -> None:
    if header[0].lower().startswith("sep=") and not any(header[1:]):
        raise InputError(
            f"{where}: the line {delimiter.join(header)!r} is for spreadsheets; the names of the columns stand below. "
            "Delete it."
        )
    if len(header) == 1:
        _refuse_other_separator(where, header[0], delimiter)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"{where}: the column {twice[0]!r} is there twice. Rename or delete one of them.")


def _refuse_other_separator(where: str, name: str, delimiter: str) -> None:
    """Refuse a table whose only column has a separator in its name: it is one of several columns, cut wrongly."""
    other = next((mark for mark in ",\t;|" if mark != delimiter and mark in name), None)
    if other is not None:
        extension = {",": ".csv", "\t": ".tsv"}.get(other)
        remedy = f"Name the file {extension}." if extension else f"Save the table with {delimiter!r}."
        raise InputError(f"{where}: one column only, {name!r}: the cells are separated by {other!r}. {remedy}")


def _row(path: Path, line: int, header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise InputError(
            f"{path}:{line}: {len(cells)} cells, but the first line names {len(header)} columns. "
            "Put cells that hold the separator into double quotes."
        )
    return dict(zip(header, cells, strict=True))
