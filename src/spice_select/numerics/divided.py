"""Matrices that are read by rows: they take less memory than what is read of them, or lie elsewhere."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ReadByRows(ABC):
    """A matrix [n, d] that is indexed with rows, or with rows and columns, and read as float64.

    numpy makes an array of the whole where one is asked for.
    """

    ndim = 2
    dtype = np.dtype(np.float64)
    shape: tuple[int, int]

    @abstractmethod
    def __getitem__(self, key: Any) -> NDArray[np.float64]: ...

    def gram_apart(self, weights: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """Σ w g gᵀ (None: w = 1), float64 [d, d], where that is summed without reading the rows here; else None."""
        return None

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)


class DividedRows(ReadByRows):
    """`source` [n, d] with row i divided by `divisors`_i and then multiplied by `factors`_i, float64 [n] (None: 1).

    Unit rows without a float64 copy of the matrix: what is read has the bits of a copy that was divided once.
    """

    def __init__(
        self,
        source: NDArray[np.floating],
        divisors: NDArray[np.float64],
        factors: NDArray[np.float64] | None = None,
    ) -> None:
        self.source, self.divisors, self.factors = source, divisors, factors
        self.shape = source.shape

    @property
    def ratios(self) -> NDArray[np.float64]:
        """How many times as long as it counts each row is stored, but for rounding."""
        return self.divisors if self.factors is None else self.divisors / self.factors

    def __getitem__(self, key: Any) -> NDArray[np.float64]:
        rows = key[0] if isinstance(key, tuple) else key
        part = self.source[key].astype(np.float64)
        wide = self.divisors[rows].ndim < part.ndim
        part /= self.divisors[rows][..., None] if wide else self.divisors[rows]
        if self.factors is not None:
            part *= self.factors[rows][..., None] if wide else self.factors[rows]
        return part

    def take(self, rows: NDArray[np.int64] | slice) -> "DividedRows":
        """Some of the rows, stored as they are here."""
        return DividedRows(self.source[rows], self.divisors[rows], None if self.factors is None else self.factors[rows])
