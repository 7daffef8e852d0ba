"""The feature matrix as selection and diagnosis see it: any float array in, checked once, its squares taken once."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.copies import copies, fingerprints, row_hashes, sharing
from spice_select.numerics.divided import DividedRows, ReadByRows
from spice_select.numerics.given import plain_array
from spice_select.numerics.tiles import compact

_CHUNK_ENTRIES = 1 << 18  # entries converted to float64 at a time: 2 MB, so that a chunk stays in the cache
_BEGINNING = 16  # entries by which most rows differ
_NEIGHBOUR = 1e-12  # rows whose squared norms differ by more than this, relatively, cannot be identical


class Features:
    """A validated matrix [n, d] of features, one row for each sample, with what several users need of all its rows.

    float32 and float64 arrays are used as they are, memory-mapped ones included; float16 and integers are converted to
    float32 or float64, torch tensors are taken through numpy. Selection and diagnosis take one of these wherever they
    take an array, and what is computed once is then kept: the squared lengths, and by `diagnosis` at most 2·min(n, d)²
    float64 for each α. Cost: one pass.

    Attributes:
        array: float32 or float64 [n, d], or `DividedRows`, which are read as float64.
        n, d: its shape.
        squares: ‖g‖² of each row, float64 [n].

    Raises:
        InputError: not a real matrix, no rows or columns, or NaN or infinite entries (the rows are named).
    """

    def __init__(self, features: Any) -> None:
        self.array = as_matrix(features)
        self.n, self.d = self.array.shape
        self.squares = squared_norms(self.array)

    def __len__(self) -> int:
        return self.n

    @property
    def source(self) -> NDArray[Any]:
        """The rows as they are stored, float32 or float64 [n, d]: `array`, or what is divided as it is read."""
        return self.array.source if isinstance(self.array, DividedRows) else self.array

    @cached_property
    def ratios(self) -> NDArray[np.float64] | None:
        """How many times as long as it counts each row is stored, float64 [n]; None for once."""
        return self.array.ratios if isinstance(self.array, DividedRows) else None

    @property
    def peak(self) -> float:
        """About the length of the longest stored row: a matter of scale."""
        squares = self.squares if self.ratios is None else self.squares * self.ratios**2
        return float(np.sqrt(squares.max(initial=0.0)))

    def rows(self, rows: NDArray[np.int64] | list[int]) -> NDArray[np.float64]:
        """The given rows as float64 [m, d]."""
        return self.array[rows].astype(np.float64, copy=False)

    def take(self, rows: NDArray[np.int64]) -> "Features":
        """Some of the rows, one or more, in this order: checked already, and their squares are not taken again."""
        part = object.__new__(Features)
        divided = isinstance(self.array, DividedRows)
        part.array = self.array.take(rows) if divided else self.array[rows]
        part.squares = self.squares[rows]
        part.n, part.d = part.array.shape
        return part

    @cached_property
    def dense(self) -> NDArray[np.float64]:
        """The whole matrix as float64; a copy unless it is float64 in memory already."""
        return np.asarray(self.array, dtype=np.float64)

    @property
    def ready(self) -> Any:
        """`dense` where it was made, else `array`: for those who read all rows again and again."""
        return self.__dict__.get("dense", self.array)

    @cached_property
    def compacted(self) -> NDArray[Any]:
        """The array, or where n < d rows of n entries with the same inner products: see `compact`."""
        return compact(self.array)

    @cached_property
    def kept(self) -> dict[float, Any]:
        """What belongs to an α and is needed more than once: `diagnosis` keeps the factor of all rows here."""
        return {}

    @cached_property
    def twins(self) -> dict[int, NDArray[np.int64]]:
        """For each row that occurs more than once: all rows identical to it, ascending.

        Identical rows must tie exactly whatever rounding does, so the picks settle on the lowest of them. Only rows
        with neighbouring norms are looked at, and whole only those that begin alike: O(n log n + suspects·d).
        """
        rows = self._of_one_length()
        rows = rows[sharing(row_hashes(self.array, rows, beginning=_BEGINNING))]
        rows = rows[sharing(row_hashes(self.array, rows))]
        return copies(rows.tolist(), fingerprints(self.array, rows))

    def _of_one_length(self) -> NDArray[np.int64]:
        """The rows with a neighbour in norm, ascending: with unit norms, all."""
        order = np.argsort(self.squares, kind="stable")
        ordered = self.squares[order]
        near = np.diff(ordered) <= _NEIGHBOUR * ordered[1:]
        return np.sort(order[np.flatnonzero(np.append(near, False) | np.append(False, near))])


def read(features: Any) -> Features:
    """The features, checked: see `Features`. One of these has been checked and is handed back as it is."""
    return features if isinstance(features, Features) else Features(features)


def as_matrix(features: Any) -> Any:
    """Any array-like of real numbers as a 2-d float32 or float64 array; a matrix that is read by rows as it is."""
    if isinstance(features, ReadByRows):
        return features
    array = plain_array(features)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    elif array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.ndim != 2 or array.dtype.kind != "f":
        raise InputError(
            f"features of shape {array.shape} and dtype {array.dtype}: expected a matrix of real numbers, one row for "
            "each sample. Give float16, float32 or float64 of shape [n, d]."
        )
    if 0 in array.shape:
        raise InputError(f"features of shape {array.shape}: there is nothing to choose from. Give at least one row.")
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return array


def squared_lengths(array: Any) -> NDArray[np.float64]:
    """‖g_i‖² of every row in float64, one cached chunk at a time."""
    n, d = array.shape
    squares = np.empty(n)
    step = max(1, _CHUNK_ENTRIES // d)
    for start in range(0, n, step):
        chunk = np.asarray(array[start : start + step], dtype=np.float64)
        squares[start : start + step] = np.einsum("ij,ij->i", chunk, chunk)
    return squares


def squared_norms(array: Any) -> NDArray[np.float64]:
    """The same; refuses rows that are not finite.

    Raises:
        InputError: a row holds NaN or infinity, or is so long that its square overflows float64.
    """
    n, squares = len(array), squared_lengths(array)
    bad = np.flatnonzero(~np.isfinite(squares))
    if len(bad):
        named = ", ".join(str(i) for i in bad[:10]) + (", …" if len(bad) > 10 else "")
        if np.isfinite(array[bad]).all():
            raise InputError(
                f"{len(bad)} of {n} feature rows are so long that their squared length is beyond float64: "
                f"rows {named}. Scale the features down."
            )
        raise InputError(
            f"{len(bad)} of {n} feature rows are not finite: rows {named}. A NaN or infinite gradient usually comes "
            "from an overflow in half precision or an empty response; drop these rows or recompute them in float32."
        )
    return squares
