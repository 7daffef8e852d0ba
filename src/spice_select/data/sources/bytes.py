"""The bytes of a file, unpacked where it is packed, and text out of bytes with the place of the first fault."""

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from spice_select.errors import InputError

CODECS = (".gz", ".xz", ".bz2", ".zst", ".zstd")
_FOREIGN = {b"PK\x03\x04": "zip (or an Excel workbook)", b"7z\xbc\xaf": "7z", b'\x04"M\x18': "lz4"}
_MARKS = {  # of 32 bits first: the little-endian one begins as that of 16 does
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_HEAD = 8192
_POINTER = b"version https://git-lfs.github.com/spec/"


def _unpack_zstd(packed: IO[bytes]) -> IO[bytes]:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")


class _Frames(io.RawIOBase):
    """What frames of xz or bzip2 in a row hold; zeros behind one pad it.

    `lzma` and `bz2` end without a word at the first frame that is none, and at bytes that were appended as they are:
    here these are an error.
    """

    def __init__(self, packed: IO[bytes], begin: Callable[[], Any]) -> None:
        self._packed = packed
        self._begin = begin
        self._frame = begin()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not (data := self._more(len(buffer))):
            if data is None:
                return 0
        buffer[: len(data)] = data
        return len(data)

    def _more(self, size: int) -> bytes | None:
        """Some bytes, or none yet; None at the end of the file."""
        if not self._frame.eof and not self._frame.needs_input:
            return bytes(self._frame.decompress(b"", size))
        if not self._frame.eof:
            if not (packed := self._packed.read(_HEAD)):
                raise EOFError("it ends in the middle of a frame")
            return bytes(self._frame.decompress(packed, size))
        rest = self._frame.unused_data.lstrip(b"\0")
        while not rest:  # what is left over is used up before more is read: each small frame would copy all of it
            if not (packed := self._packed.read(_HEAD)):
                return None
            rest = packed.lstrip(b"\0")
        self._frame = self._begin()
        return bytes(self._frame.decompress(rest, size))


_UNPACK: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"\xfd7zXZ\x00": lambda packed: io.BufferedReader(_Frames(packed, lzma.LZMADecompressor)),
    b"BZh": lambda packed: io.BufferedReader(_Frames(packed, bz2.BZ2Decompressor)),
    b"(\xb5/\xfd": _unpack_zstd,
    # what pzstd and others put in front: a frame to be skipped, of one of sixteen kinds
    **{bytes([kind]) + b"*M\x18": _unpack_zstd for kind in range(0x50, 0x60)},
}
_LONGEST_MAGIC = max(map(len, _UNPACK))


def _unpacker(start: bytes) -> Callable[[IO[bytes]], Any] | None:
    """What unpacks a file that begins so; None for one that is not packed, or in another way."""
    return next((unpack for magic, unpack in _UNPACK.items() if start.startswith(magic)), None)


class _PackedError(InputError):
    """A file packed in a way that is not supported."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, unpacked if its first bytes are those of gzip, xz, bzip2 or zstd (whatever its name).

    It is read from the disk each time it is asked for, and not kept. Several members or frames in a row are one
    content. Every reading raises InputError for what cannot be read.
    """

    path: Path

    def head(self) -> bytes:
        """Its first 8 KiB."""
        return next(self.chunks(_HEAD), b"")

    def whole(self) -> bytes:
        """All of it, in memory."""
        return b"".join(self.chunks())

    def chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        """All of it, so many bytes at a time."""
        with _explained(self.path):
            file = self.path.open("rb")
        with file, _unpacked(self.path, file) as stream:
            while chunk := stream.read(size):
                yield chunk

    def is_blank(self) -> bool:
        """Whether there is nothing in it but white space."""
        return not any(chunk.strip() for chunk in self.chunks())

    @property
    def is_packed(self) -> bool:
        """Whether its bytes are not those of the file."""
        with _explained(self.path), self.path.open("rb") as file:
            return _unpacker(file.read(_LONGEST_MAGIC)) is not None

    def lines(self, newline: str) -> Iterator[str]:
        """Its text (UTF-8; a byte-order mark is taken off), line by line with line ends, as `open` has `newline`.

        Raises:
            InputError: also where it is no such text, with line and byte of the first fault.
        """
        refuse_other_text(self.path, self.head())
        with _explained(self.path):
            file = self.path.open("rb")
        with file, _unpacked(self.path, file) as stream:
            text = io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8-sig", newline=newline)
            try:
                yield from text
            except UnicodeDecodeError as error:
                # the position is that in a chunk, so it is found again in the whole
                raise InputError(not_utf8(self.path, self.whole())) from error


def read_head(path: Path, size: int) -> bytes:
    """The first `size` bytes of a file's content, or all of it; none of what is packed in an unknown way."""
    try:
        return next(Content(path).chunks(size), b"")
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


@contextlib.contextmanager
def _unpacked(path: Path, raw: IO[bytes]) -> Iterator[Any]:
    start = raw.read(len(_POINTER))
    raw.seek(0)
    for magic, name in _FOREIGN.items():
        if start.startswith(magic):
            raise _PackedError(
                f"{path}: packed as {name}, which is not supported. Unpack it, or pack it with gzip or zstd."
            )
    if start == _POINTER:
        raise InputError(f"{path}: a Git LFS pointer, not the rows themselves. Fetch them: git lfs pull.")
    unpack = _unpacker(start)
    if unpack is None:
        with _explained(path):
            yield raw
        return
    try:
        with unpack(raw) as stream:
            yield stream
    except InputError:
        raise
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        if "too much memory" in str(error):  # zstd --long: the reader keeps to the usual window
            raise InputError(
                f"{path}: packed by zstd with a longer window than is read here. Unpack it: zstd -d --long=31."
            ) from error
        raise InputError(
            f"{path}: the packed file is damaged or cut short ({error}). Copy or download it again."
        ) from error


def decode(path: Path, data: bytes) -> str:
    """UTF-8 text (a byte-order mark is taken off), or an `InputError` with line and byte of the first fault."""
    refuse_other_text(path, data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # utf-8-sig counts the position after the mark, so it is found again without it
        raise InputError(not_utf8(path, data)) from error


def refuse_other_text(path: Path, data: bytes) -> None:
    """Raise if its mark says UTF-16 or UTF-32, or the first 8 KiB hold a zero byte, which no text does."""
    coding = next((coding for mark, coding in _MARKS.items() if data.startswith(mark)), None)
    if coding is not None:
        raise InputError(f"{path}: the text is {coding}. Convert it: iconv -f {coding.lower()} -t utf-8.")
    at = data[:_HEAD].find(b"\0")
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
