"""Parquet and Arrow (IPC file or stream), through pyarrow: in Arrow's own memory and by the thread that asks.

`spice_select.store.tables` says why: Arrow's threads may outlive the interpreter, and must hold nothing of Python's.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spice_select.data.sources.bytes import Content
from spice_select.data.sources.values import TOGETHER, rows_of_batches
from spice_select.errors import InputError


def read_parquet(content: Content) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a Parquet file; nested columns become lists and objects, nulls stay null."""
    import pyarrow.parquet as pq

    path = content.path
    with _explained(path, "Parquet"):
        file = pq.ParquetFile(_opened(content), pre_buffer=False)
        yield from _rows(path, file.schema_arrow, file.iter_batches(batch_size=TOGETHER, use_threads=False))


def read_arrow(content: Content) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of an Arrow file in either of its two layouts."""
    import pyarrow as pa

    path, options = content.path, pa.ipc.IpcReadOptions(use_threads=False)
    with _explained(path, "Arrow"):
        source = _opened(content)
        if content.head().startswith(b"ARROW1"):
            file = pa.ipc.open_file(source, options=options)
            yield from _rows(path, file.schema, (file.get_batch(i) for i in range(file.num_record_batches)))
        else:
            stream = pa.ipc.open_stream(source, options=options)
            yield from _rows(path, stream.schema, iter(stream))


def _opened(content: Content) -> Any:
    """The file itself, read by Arrow as it goes; what is packed, unpacked in Arrow's memory."""
    import pyarrow as pa

    from spice_select.store.tables import arrow_memory

    return pa.BufferReader(arrow_memory(content.whole())) if content.is_packed else pa.OSFile(str(content.path))


def _rows(path: Path, schema: Any, batches: Iterator[Any]) -> Iterator[tuple[dict[str, Any], str]]:
    twice = next((name for name in schema.names if schema.names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the column {twice!r} is there twice. Rename or delete one of them.")
    yield from rows_of_batches(batches, str(path))


@contextlib.contextmanager
def _explained(path: Path, kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        said = (str(error).splitlines() or [""])[0].rstrip(".")
        raise InputError(f"{path}: not a readable {kind} file: {said}. Copy or write it again.") from error
