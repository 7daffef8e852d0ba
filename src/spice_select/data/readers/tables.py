"""Comma- and tab-separated tables; the first line names the columns, every value is a string."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from spice_select.data.readers.bytes import decode
from spice_select.errors import InputError


def read_csv(path: Path, data: bytes) -> Iterator[tuple[dict[str, str], str]]:
    """Comma-separated (RFC 4180: quoted cells may hold commas, quotes and line ends)."""
    yield from _read(path, data, ",")


def read_tsv(path: Path, data: bytes) -> Iterator[tuple[dict[str, str], str]]:
    """Tab-separated."""
    yield from _read(path, data, "\t")


def _read(path: Path, data: bytes, delimiter: str) -> Iterator[tuple[dict[str, str], str]]:
    # the default limit of 128 KiB a cell is less than a long conversation
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(io.StringIO(decode(path, data), newline=""), delimiter=delimiter, strict=True)
    header = _header(path, reader)
    line = reader.line_num + 1
    try:
        for cells in reader:
            if cells:
                yield _row(path, line, header, cells), f"{path.name}:{line}"
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: broken CSV: {error}. Check the quotes of this row.") from error


def _header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    header = next(reader, [])
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"{path}:1: the column {twice[0]!r} is there twice. Rename or delete one of them.")
    return header


def _row(path: Path, line: int, header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise InputError(
            f"{path}:{line}: {len(cells)} cells, but the first line names {len(header)} columns. "
            "Put cells that hold the separator into double quotes."
        )
    return dict(zip(header, cells, strict=True))
