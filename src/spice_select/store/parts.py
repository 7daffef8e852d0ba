"""Features on disk, in parts: each part a Parquet file that is whole and checked, or absent.

A part is written aside and renamed; its SHA-256 follows in a file of its own, written last. A part counts as finished
only while its bytes match that sum, so a killed process, a full disk or a flipped bit costs one part, never the truth.
Any Parquet reader opens a part as it is: metadata columns beside a fixed-size list of float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from spice_select.store.atomic import atomic, explained, sha256


@dataclass(frozen=True, kw_only=True)
class FeatureBlock:
    """The features of some rows, aligned by position.

    Attributes:
        rows: int64 ``[b]``, row numbers in the corpus.
        features: float32 ``[b, d]``, sketched gradients.
        losses: float64 ``[b]``, response loss as the gradient's loss defines it (nats).
        norms: float64 ``[b]``, length of the gradient before the sketch.
        tokens, supervised: int64 ``[b]``, tokens of the example, and those trained on.
        finite: bool ``[b]``, false where loss or gradient overflowed or was not a number; the feature is zero there.
    """

    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    losses: NDArray[np.float64]
    norms: NDArray[np.float64]
    tokens: NDArray[np.int64]
    supervised: NDArray[np.int64]
    finite: NDArray[np.bool_]

    @staticmethod
    def concatenate(blocks: Sequence["FeatureBlock"]) -> "FeatureBlock":
        """The rows of several blocks, one block after the other. Copies."""
        return FeatureBlock(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in _COLUMNS})

    def take(self, order: NDArray) -> "FeatureBlock":
        """The rows at these positions (or under this mask), in this order. Copies."""
        return FeatureBlock(**{name: getattr(self, name)[order] for name in _COLUMNS})


_COLUMNS = ("rows", "features", "losses", "norms", "tokens", "supervised", "finite")


@dataclass(frozen=True)
class PartStore:
    """A folder of numbered parts.

    Attributes:
        folder: where the parts lie; made when the first is written.
    """

    folder: Path

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.parquet"

    def _sum(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.sha256"

    def is_finished(self, part: int) -> bool:
        """Whether the part is there and its bytes match the sum written with it. Reads the part once."""
        path, recorded = self.path(part), self._sum(part)
        if not (path.is_file() and recorded.is_file()):
            return False
        return recorded.read_text().split()[:1] == [sha256(path)]

    def holds(self, part: int, columns: Mapping[str, Sequence[int]]) -> bool:
        """Whether a finished part has these values in these columns (``row``, ``tokens``, ``supervised``), in order.

        A part's sum goes with it when it is copied or renamed; what it holds tells it from others.
        """
        table = pq.read_table(self.path(part), columns=list(columns))
        return all(table[name].to_pylist() == list(values) for name, values in columns.items())

    def discard(self, part: int) -> None:
        """Let a part count as unfinished."""
        self._sum(part).unlink(missing_ok=True)

    def write(self, part: int, block: FeatureBlock) -> None:
        """Write a part and its sum. Raises InputError when the disk refuses."""
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._sum(part).unlink(missing_ok=True)
        with atomic(self.path(part)) as aside:
            # random floats do not compress; a fixed row group and no statistics make the bytes a function of the data
            pq.write_table(_to_table(block), aside, compression="none", use_dictionary=False, write_statistics=False)
            digest = sha256(aside)
        with atomic(self._sum(part)) as aside:
            aside.write_text(f"{digest}  {self.path(part).name}\n")

    def read(self, parts: int | Sequence[int]) -> FeatureBlock:
        """Parts ``0 … parts - 1``, or those of these numbers, as one block, ordered by row number.

        Memory: the ``[n, d]`` float32 matrix, and one part at a time beside it.

        Raises:
            FileNotFoundError: a part is missing; rows never written must not be read as zeros.
        """
        files = [pq.ParquetFile(self.path(part)) for part in (range(parts) if isinstance(parts, int) else parts)]
        total = sum(file.metadata.num_rows for file in files)
        block = _empty(total, files[0].schema_arrow.field("feature").type.list_size if files else 0)
        numbers = [file.read(columns=["row"])["row"].to_numpy() for file in files]
        place = np.argsort(np.argsort(np.concatenate(numbers))) if files else np.empty(0, np.int64)
        start = 0
        for file in files:
            _fill(block, place[start : start + file.metadata.num_rows], file.read())
            start += file.metadata.num_rows
        return block


def _to_table(block: FeatureBlock) -> pa.Table:
    flat = pa.array(np.ascontiguousarray(block.features).reshape(-1), pa.float32())
    return pa.table(
        {
            "row": block.rows,
            "loss": block.losses,
            "norm": block.norms,
            "tokens": block.tokens,
            "supervised": block.supervised,
            "finite": block.finite,
            "feature": pa.FixedSizeListArray.from_arrays(flat, block.features.shape[1]),
        }
    )


def _empty(rows: int, dim: int) -> FeatureBlock:
    return FeatureBlock(
        rows=np.empty(rows, np.int64),
        features=np.empty((rows, dim), np.float32),
        losses=np.empty(rows),
        norms=np.empty(rows),
        tokens=np.empty(rows, np.int64),
        supervised=np.empty(rows, np.int64),
        finite=np.empty(rows, np.bool_),
    )


def _fill(block: FeatureBlock, place: NDArray, table: pa.Table) -> None:
    names = ("row", "loss", "norm", "tokens", "supervised", "finite")
    fields = ("rows", "losses", "norms", "tokens", "supervised", "finite")
    for name, target in zip(names, fields, strict=True):
        getattr(block, target)[place] = table[name].to_numpy()
    vectors = table["feature"].combine_chunks()
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    block.features[place] = flat.reshape(len(vectors), block.features.shape[1])
