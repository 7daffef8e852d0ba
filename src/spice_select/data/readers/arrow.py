"""Parquet and Arrow (IPC file or stream), through pyarrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spice_select.errors import InputError


def read_parquet(path: Path, data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a Parquet file; nested columns become lists and objects, nulls stay null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        batches = pq.ParquetFile(pa.BufferReader(data)).iter_batches()
        yield from _rows(path, batches)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(_damaged(path, "Parquet", error)) from error


def read_arrow(path: Path, data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of an Arrow file in either of its two layouts."""
    import pyarrow as pa

    try:
        if data.startswith(b"ARROW1"):
            reader = pa.ipc.open_file(pa.BufferReader(data))
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(pa.BufferReader(data)))
        yield from _rows(path, batches)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(_damaged(path, "Arrow", error)) from error


def _rows(path: Path, batches: Iterator[Any]) -> Iterator[tuple[dict[str, Any], str]]:
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            yield row, f"{path.name} row {number}"
            number += 1


def _damaged(path: Path, kind: str, error: Exception) -> str:
    return f"{path}: not a readable {kind} file: {str(error).splitlines()[0].rstrip('.')}. Copy or write it again."
