"""Features on disk, in parts: each part a Parquet file that is whole and checked, or absent.

A part is written aside and renamed; its SHA-256 follows in a file of its own, written last. A part counts as finished
only while its bytes match that sum, so a killed process, a full disk or a flipped bit costs one part, never the truth.
It also says what it was made from, so that one of another run is not taken for it. Any Parquet reader opens a part as
it is: metadata columns beside a fixed-size list of float32.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.store.atomic import atomic, explained, make_folder, sha256
from spice_select.store.block import FeatureBlock
from spice_select.store.sums import WholeFiles, is_whole, sum_path, write_sum
from spice_select.store.tables import read_schema, read_table


@dataclass(frozen=True)
class PartStore:
    """A folder of numbered parts.

    Attributes:
        folder: where the parts lie; made when the first is written.
        origin: a digest of all that decides what the parts hold (corpus, model, settings). It is written into each
            part, and parts of another origin do not count. None: none is written, and any counts.
    """

    folder: Path
    origin: str | None = None
    _files: WholeFiles = field(default_factory=WholeFiles, repr=False, compare=False)

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.parquet"

    def name(self, part: int) -> str:
        """What a part's file is called."""
        return self.path(part).name

    def label(self, part: int) -> str:
        """A part for people: where it lies."""
        return str(self.path(part))

    def digest(self, part: int) -> str:
        """The SHA-256 (hex) that is stated of a part; "" where none is. Nothing is hashed."""
        path = sum_path(self.path(part))
        return path.read_text().split()[0] if path.is_file() else ""

    def size(self, part: int) -> int:
        """Bytes of a part that is there."""
        return self.path(part).stat().st_size

    def count(self) -> int:
        """How many parts lie there, whole or not."""
        return len(list(self.folder.glob("part-*.parquet")))

    def is_finished(self, part: int, due: Mapping[str, Sequence[int]] | None = None) -> bool:
        """Whether the part is there, its bytes match the sum written with it, and it is the one that is meant.

        A part's sum goes with it when it is copied or renamed; its origin and the rows it holds tell it from others.

        Args:
            part: its number.
            due: the values of some columns (``row``, ``tokens``, ``supervised``), in order; not compared if not given.
        """
        content = self._content(part)
        if content is None:
            return False
        try:
            table = read_table(content, list(due or ()))
        except (pa.ArrowException, OSError):
            return False  # a sum that fits, of something that is no part
        due_there = all(_values(table, name) == list(values) for name, values in (due or {}).items())
        return due_there and self._is_own(table.schema)

    def faults(self, parts: int) -> dict[int, str]:
        """What keeps parts ``0 … parts - 1`` from being read: part number → a few words; empty if nothing does.

        Cost: their bytes are hashed, and what each says of itself is read. No row is decoded, no part is in memory.
        """
        return {part: fault for part in range(parts) if (fault := self._fault(part))}

    def write(self, part: int, block: FeatureBlock) -> str:
        """Write a part and its sum, which is returned. Raises InputError when the disk refuses."""
        with self._replacing(part) as aside:
            _write_table(block, self.origin, aside)
            digest = sha256(aside)
        write_sum(self.path(part), digest)
        return digest

    def put(self, part: int, content: bytes) -> str:
        """Write a part that was made elsewhere, as it is, and its sum, as `write` does."""
        with self._replacing(part) as aside:
            aside.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        write_sum(self.path(part), digest)
        return digest

    @contextlib.contextmanager
    def _replacing(self, part: int) -> Iterator[Path]:
        make_folder(self.folder)
        with explained(self.folder):
            sum_path(self.path(part)).unlink(missing_ok=True)
        with atomic(self.path(part)) as aside:
            yield aside

    def read(self, parts: int | Sequence[int]) -> FeatureBlock:
        """Parts ``0 … parts - 1``, or those of these numbers, as one block, ordered by row number.

        Each part is checked against its sum as it is read. Memory: the ``[n, d]`` float32 matrix, and one part at a
        time beside it.

        Raises:
            InputError: a part is missing, altered, or of another origin; rows must not be read as what they are not.
        """
        numbers = list(range(parts) if isinstance(parts, int) else parts)
        rows = [self._rows(part) for part in numbers]
        place = np.argsort(np.argsort(np.concatenate(rows))) if rows else np.empty(0, np.int64)
        whole, start, killers = _empty(), 0, frozenset[int]()
        for part, expected, block in zip(numbers, rows, self.blocks(numbers), strict=True):
            if start == 0:
                whole = _room_for(len(place), block)
            if not np.array_equal(block.rows, expected) or not _alike(block, whole):
                raise self._unreadable(part, "it does not belong to the others")
            _fill(whole, place[start : start + len(expected)], block)
            start += len(expected)
            killers |= block.killers
        return replace(whole, killers=killers) if killers else whole

    def blocks(self, parts: int | Sequence[int]) -> Iterator[FeatureBlock]:
        """Parts ``0 … parts - 1``, or those of these numbers, one after the other: memory of one part at a time.

        Rows stand as they were written, by length, not by number. Raises InputError as `read`.
        """
        for part in range(parts) if isinstance(parts, int) else parts:
            table, fault = self._opened(part)
            if table is None:
                raise self._unreadable(part, fault)
            yield _from_table(table)

    def _rows(self, part: int) -> NDArray[np.int64]:
        """A first look at a part's row numbers, before it is checked as a whole."""
        try:
            rows: NDArray[np.int64] = (
                pq.ParquetFile(self._source(part)).read(["row"], use_threads=False)["row"].to_numpy()
            )
        except (pa.ArrowException, OSError, KeyError) as error:
            raise self._unreadable(part, self._opened(part)[1] or str(error)) from error
        return rows

    def _content(self, part: int) -> bytes | None:
        """The bytes of a part if they are what they should be."""
        return self._files.read(self.path(part))

    def _source(self, part: int) -> Any:
        """What a Parquet reader opens."""
        return self.path(part)

    def _fault(self, part: int) -> str:
        if not is_whole(self.path(part)):
            return self._unlike_its_sum(part)
        try:
            schema = read_schema(self.path(part))
        except (pa.ArrowException, OSError) as error:
            return f"it is no Parquet file: {error}"
        return "" if self._is_own(schema) else _FOREIGN

    def _opened(self, part: int) -> tuple[pa.Table | None, str]:
        """A part that is what it says and not another's, or what is wrong with it."""
        content = self._content(part)
        if content is None:
            return None, self._unlike_its_sum(part)
        try:
            table = read_table(content)
        except (pa.ArrowException, OSError) as error:
            return None, f"it is no Parquet file: {error}"
        return (table, "") if self._is_own(table.schema) else (None, _FOREIGN)

    def _unlike_its_sum(self, part: int) -> str:
        return "its bytes do not match its sum" if self.path(part).is_file() else "it is missing"

    def _is_own(self, schema: pa.Schema) -> bool:
        return self.origin is None or _origin(schema) == self.origin

    def _unreadable(self, part: int, fault: str) -> InputError:
        return InputError(
            f"{self.label(part)} cannot be used: {fault}. Run the same `spice select` command again: the part is "
            "computed again, and what is sound is kept."
        )


_ORIGIN = b"spice_select.run.origin"
_WEIGHTS = b"spice_select.weights"
_KILLERS = b"spice_select.killers"
_FOREIGN = "it was made by another run"


def _origin(schema: pa.Schema) -> str | None:
    stated = (schema.metadata or {}).get(_ORIGIN)
    return None if stated is None else stated.decode(errors="replace")


def _values(table: pa.Table, name: str) -> list[int] | None:
    return table[name].to_pylist() if name in table.column_names else None


def part_bytes(block: FeatureBlock, origin: str | None) -> bytes:
    """A part as it is written: the same bytes for the same rows and origin."""
    sink = pa.BufferOutputStream()
    _write_table(block, origin, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _write_table(block: FeatureBlock, origin: str | None, sink: Any) -> None:
    # random floats do not compress; a fixed row group and no statistics make the bytes a function of the data
    pq.write_table(_to_table(block, origin), sink, compression="none", use_dictionary=False, write_statistics=False)


def _to_table(block: FeatureBlock, origin: str | None) -> pa.Table:
    columns = {"row": block.rows, **block.columns, "finite": block.finite}
    if block.dim:
        flat = pa.array(np.ascontiguousarray(block.features).reshape(-1), pa.float32())
        columns["feature"] = pa.FixedSizeListArray.from_arrays(flat, block.dim)
    said = {} if origin is None else {_ORIGIN: origin}
    if len(block.weights) > 1:
        said[_WEIGHTS] = json.dumps(block.weights)
    if block.killers:
        said[_KILLERS] = json.dumps(sorted(block.killers))
    return pa.table(columns).replace_schema_metadata(said or None)


_OWN = ("row", "finite", "feature")


def _from_table(table: pa.Table) -> FeatureBlock:
    names = [name for name in table.column_names if name not in _OWN]
    return FeatureBlock(
        rows=table["row"].to_numpy(),
        columns={name: table[name].to_numpy() for name in names},
        finite=table["finite"].to_numpy(),
        features=_vectors(table) if "feature" in table.column_names else _empty().features,
        weights=_weights(table.schema),
        killers=frozenset(json.loads((table.schema.metadata or {}).get(_KILLERS, b"[]"))),
    )


def _weights(schema: pa.Schema) -> tuple[float, ...]:
    stated = (schema.metadata or {}).get(_WEIGHTS)
    return _empty().weights if stated is None else tuple(json.loads(stated))


def _vectors(table: pa.Table) -> NDArray[np.float32]:
    size: int = table.schema.field("feature").type.list_size
    flat = table["feature"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(table), size)


def _empty() -> FeatureBlock:
    return FeatureBlock(rows=np.empty(0, np.int64), columns={}, finite=np.empty(0, np.bool_))


def _room_for(rows: int, like: FeatureBlock) -> FeatureBlock:
    """An unfilled block of so many rows, its columns and vectors as those of another."""
    return FeatureBlock(
        rows=np.empty(rows, np.int64),
        columns={name: np.empty(rows, column.dtype) for name, column in like.columns.items()},
        finite=np.empty(rows, np.bool_),
        features=np.empty((rows, like.dim), np.float32) if like.dim else like.features,
        weights=like.weights,
    )


def _alike(block: FeatureBlock, other: FeatureBlock) -> bool:
    return (block.dim, block.weights, block.columns.keys()) == (other.dim, other.weights, other.columns.keys())


def _fill(whole: FeatureBlock, place: NDArray, part: FeatureBlock) -> None:
    whole.rows[place], whole.finite[place] = part.rows, part.finite
    for name, column in part.columns.items():
        whole.columns[name][place] = column
    if part.dim:
        whole.features[place] = part.features
