"""The bytes of a file, unpacked where it is packed, and text out of bytes with the place of the first fault."""

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from spice_select.errors import InputError

CODECS = (".gz", ".xz", ".bz2", ".zst", ".zstd")
_FOREIGN = {b"PK\x03\x04": "zip (or an Excel workbook)", b"7z\xbc\xaf": "7z", b'\x04"M\x18': "lz4"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_POINTER = b"version https://git-lfs.github.com/spec/"


def _unpack_zstd(packed: IO[bytes]) -> IO[bytes]:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")


_UNPACK: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
    b"(\xb5/\xfd": _unpack_zstd,
    # what pzstd and others put in front: a frame to be skipped, of one of sixteen kinds
    **{bytes([kind]) + b"*M\x18": _unpack_zstd for kind in range(0x50, 0x60)},
}


class _PackedError(InputError):
    """A file packed in a way that is not supported."""


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked if its first bytes are those of gzip, xz, bzip2 or zstd (whatever its name).

    Several members or frames in a row are one content. Raises InputError for what cannot be read whole.
    """
    with _explained(path):
        data = path.read_bytes()
    return _content(path, io.BytesIO(data), -1)


def read_head(path: Path, size: int) -> bytes:
    """The first `size` bytes of a file's content, or all of it; none of what is packed in an unknown way."""
    with _explained(path):
        handle = path.open("rb")
    with handle:
        try:
            return _content(path, handle, size)
        except _PackedError:
            return b""


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read it. Change its permissions (chmod +r).") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _content(path: Path, raw: IO[bytes], size: int) -> bytes:
    start = raw.read(len(_POINTER))
    raw.seek(0)
    for magic, name in _FOREIGN.items():
        if start.startswith(magic):
            raise _PackedError(
                f"{path}: packed as {name}, which is not supported. Unpack it, or pack it with gzip or zstd."
            )
    if start == _POINTER:
        raise InputError(f"{path}: a Git LFS pointer, not the rows themselves. Fetch them: git lfs pull.")
    for magic, unpack in _UNPACK.items():
        if start.startswith(magic):
            return _unpacked(path, unpack, raw, size)
    return raw.read(size)


def _unpacked(path: Path, unpack: Callable[[IO[bytes]], Any], raw: IO[bytes], size: int) -> bytes:
    try:
        with unpack(raw) as stream:
            return stream.read() if size < 0 else stream.read(size)
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        if "too much memory" in str(error):  # zstd --long: the reader keeps to the usual window
            raise InputError(
                f"{path}: packed by zstd with a longer window than is read here. Unpack it: zstd -d --long=31."
            ) from error
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
