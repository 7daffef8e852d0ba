"""The rows of a pool at length one, as they are and about the pool's mean: how long a row is never counts here."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from spice_select.numerics.arrays import Matrix, Rows, Vector
from spice_select.numerics.features import read
from spice_select.numerics.tiles import tiles

_ROUNDING = 1e-9  # of length one: a row as near as this to the mean points where rounding does


class Directions:
    """Rows of a pool, each a direction; computed when asked for, so that no second copy of the pool is held.

    A row of zeros has no direction and stays zeros, and so does one that lies on the mean, once that is taken off.

    Attributes:
        features: the pool as it came, checked.
        n, d: its shape.

    Args:
        features: ``[n, d]``, hidden states or gradients.

    Raises:
        InputError: as `read` does.
    """

    def __init__(self, features: object) -> None:
        self.features = read(features)
        self.n, self.d = self.features.n, self.features.d

    def unit(self, rows: Rows) -> Matrix:
        """The rows at length one, float64 ``[m, d]``."""
        return _unit(self.features.rows(rows))

    def centred(self, rows: Rows) -> Matrix:
        """The same less the pool's mean direction, at length one again, float64 ``[m, d]``."""
        return self._about_mean(self.unit(rows))

    def unit_tiles(self) -> Iterator[tuple[int, Matrix]]:
        """(position, `unit`) of consecutive tiles of all rows."""
        for start, tile in tiles(self.features.array):
            yield start, _unit(tile)

    @cached_property
    def _mean(self) -> Vector:
        """Of all directions, float64 ``[d]``; rows of zeros do not count."""
        total, count = np.zeros(self.d), 0
        for _, tile in self.unit_tiles():
            total += tile.sum(axis=0)
            count += int(tile.any(axis=1).sum())
        return total / max(1, count)

    def _about_mean(self, unit: Matrix) -> Matrix:
        off = np.where(unit.any(axis=1, keepdims=True), unit - self._mean, 0.0)
        off[np.linalg.norm(off, axis=1) < _ROUNDING] = 0.0
        return _unit(off)


def _unit(rows: Matrix) -> Matrix:
    """Rows over their lengths; scaled by their largest entry first, whose square may be beyond float64."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.divide(scaled, lengths, out=scaled, where=lengths > 0)
