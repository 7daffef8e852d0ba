"""The rows of a corpus on disk: read again one by one, never all of them objects at once."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, overload

from spice_select.data.plain import plain, restored
from spice_select.data.records import Row
from spice_select.store import Spool


class RowTable(Sequence[Row]):
    """Rows by their numbers, which are their places.

    Each is made anew from its JSON when it is asked for, with every value as it came: of its type, in its place, bytes
    and times and NaN included (`spice_select.data.plain`). What does not come back the same stays as it is in memory.
    Memory: 40 bytes a row. Cost: some 10 µs a row to write, to hash and to read.
    """

    def __init__(self) -> None:
        self._spool, self._digests = Spool(), bytearray()
        self._kept: dict[int, dict[str, Any]] = {}

    @classmethod
    def of(cls, located: Iterable[tuple[dict[str, Any], str]]) -> Self:
        """Raw rows and their places, in order."""
        table = cls()
        for raw, where in located:
            table.append(raw, where)
        return table

    def append(self, raw: dict[str, Any], where: str) -> None:
        """Number a row and put it away. Raises InputError when the disk for temporary files refuses."""
        number = len(self)
        text = _text([where, raw]) or _text([where, *plain(raw)])
        if not _same(_row_of(text)[1], raw):
            self._kept[number] = raw
            text = _text([where])
        self._spool.append(text.encode("utf-8", "surrogatepass"))
        self._digests += Row(number, raw, where).digest

    def __len__(self) -> int:
        return len(self._spool)

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, range(len(self)))

    @overload
    def __getitem__(self, number: int) -> Row: ...
    @overload
    def __getitem__(self, number: slice) -> list[Row]: ...
    def __getitem__(self, number: int | slice) -> Row | list[Row]:
        if isinstance(number, slice):
            return [self._row(one) for one in range(*number.indices(len(self)))]
        return self._row(range(len(self))[number])

    def _row(self, number: int) -> Row:
        text = self._spool[number].decode("utf-8", "surrogatepass")
        where, raw = _row_of(text)
        digest = bytes(self._digests[32 * number : 32 * number + 32])
        return Row.hashed(number, self._kept.get(number, raw), where, digest)


def _text(record: list[Any]) -> str:
    """As JSON; "" where it has no word for something."""
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):
        return ""


def _row_of(text: str) -> tuple[str, dict[str, Any]]:
    where, written, encoded = (*json.loads(text), {}, {})[:3]
    return where, restored(written, encoded) if encoded else written


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same to whoever reads them, types included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(_same, one.values(), other.values()))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other if isinstance(one, str | bytes) else repr(one) == repr(other)  # -0.0 is not 0.0, NaN is NaN
