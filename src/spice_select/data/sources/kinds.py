"""Which reader takes a file: by its content first, by its name second."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spice_select.data.sources.arrow import read_arrow, read_parquet
from spice_select.data.sources.bytes import CODECS, Content, read_head
from spice_select.data.sources.tables import read_csv, read_tsv
from spice_select.data.sources.text import read_json, read_jsonl
from spice_select.errors import InputError, nearest

Placed = tuple[dict[str, Any], str]
"""One raw row and its place within its file (``:17``, `` row 3``, ``[2]``)."""

Reader = Callable[[Content], Iterator[Placed]]

BY_EXTENSION: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".jsonlines": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".arrow": read_arrow,
    ".arrows": read_arrow,
    ".feather": read_arrow,
}
_TABLES: dict[bytes, Reader] = {b"PAR1": read_parquet, b"ARROW1": read_arrow, b"\xff\xff\xff\xff": read_arrow}
_ARCHIVES = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst")
_UNSUPPORTED_CODECS = (".zip", ".lz4", ".7z", ".br", ".snappy", ".lzo", ".z", ".rar", ".lzma", *_ARCHIVES)
_WORD = re.compile(r"\.[a-z][a-z0-9]*")
_KNOWN = re.compile(rf".*?({'|'.join(map(re.escape, BY_EXTENSION))})(?![a-z0-9])({'|'.join(map(re.escape, CODECS))})?")
_OLD = (".bak", ".backup", ".old", ".orig", ".save", ".tmp", ".part", ".swp")
HEAD = 4096
"""Bytes of a file without a telling name that are looked at (once unpacked)."""


def read_file(content: Content) -> Iterator[Placed]:
    """The rows of a file, read as its (unpacked) content says, else its name. Raises InputError as its reader."""
    return _reader(content.path, content.head())(content)


def _reader(path: Path, data: bytes) -> Reader:
    name = extension(path)
    for magic, reader in _TABLES.items():
        if data.startswith(magic):
            return reader
    if name in BY_EXTENSION:
        return BY_EXTENSION[name]
    if b"\0" in data:
        if name in _UNSUPPORTED_CODECS:
            raise _packed_as(path, name)
        raise InputError(f"{path}: a binary file that is neither Parquet nor Arrow. {accepted()}")
    if _text(data)[:1] in (b"{", b"["):
        return read_json
    raise InputError(
        f"{path}: cannot tell what kind of file this is: the extension {name or '(none)'!r} is not known "
        f"and its content is not JSON.{nearest(name, BY_EXTENSION)} {accepted()}"
    )


def accepted() -> str:
    """The known kinds of file, in a sentence."""
    return f"Known are {', '.join(BY_EXTENSION)}, each also with {', '.join(CODECS)}."


def extension(path: Path) -> str:
    """The last part of a file's name that says its kind, in small letters, "" if there is none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in CODECS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_data(path: Path) -> bool:
    """Whether a file of a folder holds rows: a known extension, or content that shows it where the name says nothing.

    Only names without a telling extension are looked into (`part-00000`, `rows.txt`, `part-00000.gz`), and there only
    the first `HEAD` bytes. Copies that editors and people leave are no rows: `rows.jsonl.bak`, `rows.jsonl~`, and
    `rows.jsonl.tar.gz` beside `rows.jsonl`.

    Raises:
        InputError: rows packed in a way that is not supported, or a file that cannot be opened.
    """
    if extension(path) in BY_EXTENSION:
        return True
    if _is_old(path):
        return False
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if extension(path) in _UNSUPPORTED_CODECS and set(suffixes) & BY_EXTENSION.keys():
        raise _packed_as(path, extension(path))
    silent = _WORD.fullmatch(extension(path)) is None or extension(path) == ".txt" or path.name.startswith("part-")
    return silent and _holds_rows(read_head(path, HEAD))


def _packed_as(path: Path, name: str) -> InputError:
    return InputError(f"{path}: packed as {name}, which is not supported. Unpack it, or pack it with gzip or zstd.")


def _is_old(path: Path) -> bool:
    """Whether a file is an older copy by its name: an editor's, or that of a file beside it with something added.

    A number may be that of a part, or of a log: then rows are looked for in it.
    """
    name = path.name.lower()
    if name.endswith(("~", *_OLD)) or (name.startswith("#") and name.endswith("#")):
        return True
    known = _KNOWN.match(name)
    added = "" if known is None else path.name[known.end() :]
    return re.fullmatch(r"(\.\d+)?", added) is None and (path.parent / path.name.removesuffix(added)).exists()


def _holds_rows(head: bytes) -> bool:
    if head.startswith(tuple(_TABLES)):
        return True
    text = _text(head)
    if text.startswith(b"["):
        return text[1:].lstrip()[:1] == b"{"
    line, end, _ = text.partition(b"\n")
    if not end and len(head) >= HEAD:  # the first line goes on: it cannot be tried whole
        return re.match(rb'\{\s*"', line) is not None
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _text(data: bytes) -> bytes:
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()
