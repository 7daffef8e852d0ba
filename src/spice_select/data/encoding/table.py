"""Encoded rows on disk: their lengths are known, their tokens are read when they are asked for."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Example
from spice_select.store import Spool


class ExampleTable(Sequence[Example]):
    """Examples in the order they were put away. Memory: 70 bytes each, whatever their length."""

    def __init__(self) -> None:
        self._tokens, self._digests = Spool(), bytearray()
        self.rows, self._lengths, self._supervised, self._truncated = array("q"), array("i"), array("i"), array("i")
        self._sources, self._remarks, self._labels = _Repeated(), _Repeated(), _Repeated()
        self._last = -1, _NO_IDS, _NO_MASK

    def append(self, example: Example) -> None:
        """Put an example behind the others. Raises InputError when the disk for temporary files refuses."""
        ids = np.ascontiguousarray(example.input_ids, np.int32)
        self._tokens.append(ids.tobytes() + np.packbits(example.supervised).tobytes())
        self._digests += bytes.fromhex(example.content_hash)
        self.rows.append(example.row)
        self._lengths.append(len(ids))
        self._supervised.append(example.num_supervised)
        self._truncated.append(example.truncated)
        self._sources.append(example.source)
        self._remarks.append(example.remarks)
        self._labels.append(example.label)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Example]:
        return (_StoredExample(self, place) for place in range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> list[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | list[Example]:
        if isinstance(place, slice):
            return [_StoredExample(self, one) for one in range(*place.indices(len(self)))]
        return _StoredExample(self, range(len(self))[place])

    def _read(self, place: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Tokens and mask of one example; the last is kept, for both are asked for."""
        known, ids, mask = self._last
        if known != place:
            record, length = self._tokens[place], self._lengths[place]
            ids = np.frombuffer(record, np.int32, length)
            mask = np.unpackbits(np.frombuffer(record, np.uint8, offset=ids.nbytes), count=length).view(np.bool_)
            self._last = place, ids, mask
        return ids, mask


_NO_IDS, _NO_MASK = np.empty(0, np.int32), np.empty(0, np.bool_)


class _Repeated:
    """Values of which there are few kinds, by place."""

    def __init__(self) -> None:
        self._kinds, self._places = dict[Any, int](), array("i")
        self._values = list[Any]()

    def append(self, value: Any) -> None:
        if value not in self._kinds:
            self._kinds[value] = len(self._values)
            self._values.append(value)
        self._places.append(self._kinds[value])

    def __getitem__(self, place: int) -> Any:
        return self._values[self._places[place]]


class _StoredExample(Example):
    """One of a table's examples: what it is asked for is read from there."""

    __slots__ = ("_place", "_table")
    _table: ExampleTable
    _place: int

    def __init__(self, table: ExampleTable, place: int) -> None:
        object.__setattr__(self, "_table", table)
        object.__setattr__(self, "_place", place)

    @property
    def row(self) -> int:
        return self._table.rows[self._place]

    @property
    def input_ids(self) -> NDArray[np.int32]:
        return self._table._read(self._place)[0]

    @property
    def supervised(self) -> NDArray[np.bool_]:
        return self._table._read(self._place)[1]

    @property
    def source(self) -> str:
        return self._table._sources[self._place]

    @property
    def content_hash(self) -> str:
        return self._table._digests[32 * self._place : 32 * self._place + 32].hex()

    @property
    def truncated(self) -> int:
        return self._table._truncated[self._place]

    @property
    def remarks(self) -> tuple[str, ...]:
        return self._table._remarks[self._place]

    @property
    def label(self) -> bool | None:
        return self._table._labels[self._place]

    @property
    def num_tokens(self) -> int:
        return self._table._lengths[self._place]

    @property
    def padded_tokens(self) -> int:
        return self._table._lengths[self._place]

    @property
    def num_supervised(self) -> int:
        return self._table._supervised[self._place]
