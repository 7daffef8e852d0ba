"""The bytes of a file, uncompressed where it is packed, and text out of bytes with the place of the first fault."""

import bz2
import gzip
import lzma
import zlib
from pathlib import Path

from spice_select.errors import InputError

CODECS = (".gz", ".xz", ".bz2")
_UNPACK = {b"\x1f\x8b": gzip.decompress, b"\xfd7zXZ\x00": lzma.decompress, b"BZh": bz2.decompress}
_FOREIGN = {b"(\xb5/\xfd": "zstd", b"PK\x03\x04": "zip (or an Excel workbook)", b"7z\xbc\xaf": "7z"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked if its first bytes are those of gzip, xz or bzip2 (whatever its name)."""
    try:
        data = path.read_bytes()
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it. Change its permissions (chmod +r).") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error
    for magic, name in _FOREIGN.items():
        if data.startswith(magic):
            raise InputError(f"{path}: packed as {name}, which is not supported. Unpack it, or pack it with gzip.")
    for magic, unpack in _UNPACK.items():
        if data.startswith(magic):
            return _unpacked(path, data, unpack)
    return data


def _unpacked(path: Path, data: bytes, unpack) -> bytes:  # type: ignore[no-untyped-def]
    try:
        return unpack(data)
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputError(
            f"{path}: the packed file is damaged or cut short ({error}). Copy or download it again."
        ) from error


def decode(path: Path, data: bytes) -> str:
    """UTF-8 text (a byte-order mark is taken off), or an `InputError` with line and byte of the first fault."""
    if data.startswith(_UTF16):
        raise InputError(f"{path}: the text is UTF-16. Convert it: iconv -f utf-16 -t utf-8.")
    refuse_binary(path, data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # utf-8-sig counts the position after the mark, so it is found again without it
        raise InputError(not_utf8(path, data)) from error


def refuse_binary(path: Path, data: bytes) -> None:
    """Raise if the first 8 KiB hold a zero byte, which no text does."""
    at = data[:8192].find(b"\0")
    if at >= 0:
        raise InputError(f"{path}: a binary file (a zero byte at byte {at}), not text.")


def not_utf8(path: Path, data: bytes) -> str:
    """The message for bytes that are not UTF-8: line and byte (both within the file, lines from 1)."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return (
            f"{path}:{line}: not UTF-8: byte 0x{data[error.start]:02x} at position {error.start} of the file. "
            "Convert it, e.g. iconv -f latin1 -t utf-8."
        )
    return f"{path}: not UTF-8."
