"""Parquet and Arrow (IPC file or stream), through pyarrow."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spice_select.errors import InputError


def read_parquet(path: Path, data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a Parquet file; nested columns become lists and objects (maps too), nulls stay null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _explained(path, "Parquet"):
        file = pq.ParquetFile(pa.BufferReader(data))
        yield from _rows(path, file.schema_arrow, file.iter_batches())


def read_arrow(path: Path, data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of an Arrow file in either of its two layouts."""
    import pyarrow as pa

    with _explained(path, "Arrow"):
        if data.startswith(b"ARROW1"):
            file = pa.ipc.open_file(pa.BufferReader(data))
            yield from _rows(path, file.schema, (file.get_batch(i) for i in range(file.num_record_batches)))
        else:
            stream = pa.ipc.open_stream(pa.BufferReader(data))
            yield from _rows(path, stream.schema, iter(stream))


def _rows(path: Path, schema: Any, batches: Iterator[Any]) -> Iterator[tuple[dict[str, Any], str]]:
    twice = next((name for name in schema.names if schema.names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the column {twice!r} is there twice. Rename or delete one of them.")
    options = {"maps_as_pydicts": "strict"} if any(_has_map(field.type) for field in schema) else {}
    number = 0
    for batch in batches:
        for row in batch.to_pylist(**options):
            yield row, f" row {number}"
            number += 1


def _has_map(kind: Any) -> bool:
    """Whether a type is a map from names to values, or holds one."""
    import pyarrow as pa

    return pa.types.is_map(kind) or any(_has_map(kind.field(i).type) for i in range(kind.num_fields))


@contextlib.contextmanager
def _explained(path: Path, kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        # ValueError: text that is not UTF-8; KeyError: a map that has a key twice
        said = (str(error).splitlines() or [""])[0].rstrip(".")
        raise InputError(f"{path}: not a readable {kind} file: {said}. Copy or write it again.") from error
