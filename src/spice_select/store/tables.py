"""Tables from bytes, read in memory that is Arrow's own and by the thread that asks.

Arrow's threads drop what they held when they get to it, at times after the interpreter is gone. Memory of Python's is
given back to Python, which then aborts the process (SIGABRT at exit, after all work was done well).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def arrow_memory(content: bytes) -> pa.Buffer:
    """The bytes once more, in memory of Arrow's."""
    buffer = pa.allocate_buffer(len(content))
    np.frombuffer(buffer, np.uint8)[:] = np.frombuffer(content, np.uint8)
    return buffer


def read_table(content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a Parquet file, or some of its columns. Raises as pyarrow does. Memory: the bytes once more."""
    file = pq.ParquetFile(pa.BufferReader(arrow_memory(content)), pre_buffer=False)
    return file.read(columns=None if columns is None else list(columns), use_threads=False)


def read_schema(path: Path) -> pa.Schema:
    """Columns and metadata of a Parquet file, from its last few bytes. Raises as pyarrow does."""
    return pq.read_schema(path)
