"""Facility location over cosine similarity: how well the chosen rows stand for all rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import Objective

_CHUNK = 1024
KEPT_BYTES = 1 << 28  # similarities held in memory
_ROUNDING = 1e-13  # cosines that differ by less are equal: a row already stood for must gain exactly nothing


@dataclass(frozen=True)
class FacilityLocation(Objective):
    """F(S) = Σ_i max(0, max_{j∈S} cos(g_i, g_j)) over all rows i: monotone and submodular.

    A zero row is similar to nothing. A gain costs O(nd), or O(n) where the row's
    similarities are still in memory (`KEPT_BYTES`); no n×n matrix is kept beyond that.
    """

    monotone: ClassVar[bool] = True
    submodular: ClassVar[bool] = True

    def value(self, features: Any, indices: Sequence[int] | Rows) -> float:
        """Σ_i max(0, max_j cos). O(nkd)."""
        if len(indices) == 0:
            return 0.0
        units = unit_rows(np.asarray(features, dtype=np.float64))
        return float(np.maximum(units @ units[np.asarray(indices)].T, 0.0).max(axis=1).sum())

    def gains(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """Σ_i max(0, cos(g_i, g_x) − best_i) from the definition. O(n(k + |candidates|)d)."""
        state = self.state(np.asarray(features, dtype=np.float64))
        for row in indices:
            state.add(int(row))
        return state.gains(np.asarray(candidates))

    def state(self, features: Matrix) -> "FacilityState":
        """O(nd) memory for the unit rows."""
        return FacilityState(unit_rows(features), lambda some, others: some @ others.T)


class FacilityState:
    """Each row's similarity to its nearest chosen row; the similarities last asked for stay in memory.

    Args:
        features: ``[n, d]``.
        similar: the similarities of rows ``[m, d]`` with all ``[n, d]``, ``[m, n]``; what is below 0 counts as 0.
    """

    def __init__(self, features: Matrix, similar: Callable[[Matrix, Matrix], Matrix]) -> None:
        self._features, self._similar = features, similar
        n = len(features)
        self._best = np.zeros(n)
        self._kept = np.empty((min(n, max(1, KEPT_BYTES // (8 * n))), n))
        self._place = np.full(n, -1, dtype=np.int64)  # of each row in `_kept`; −1: nowhere
        self._holder = np.full(len(self._kept), -1, dtype=np.int64)
        self._next = 0

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`, in chunks: O(n) each where similarities are kept, else O(nd)."""
        parts = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
        return np.concatenate([self._excess(part).sum(axis=1) for part in parts] or [np.zeros(0)])

    def _excess(self, rows: Rows) -> Matrix:
        more = self._similarities(rows)
        more -= self._best
        more[more <= _ROUNDING] = 0.0
        return more

    def _similarities(self, rows: Rows) -> Matrix:
        """Similarities of `rows` with every row, [|rows|, n]."""
        found = np.empty((len(rows), len(self._features)))
        here = self._place[rows] >= 0
        found[here] = self._kept[self._place[rows[here]]]
        if not here.all():
            fresh = self._similar(self._features[rows[~here]], self._features)
            found[~here] = fresh
            self._keep(rows[~here], fresh)
        return found

    def _keep(self, rows: Rows, similarities: Matrix) -> None:
        """Put them in the places used longest ago; a batch that would drive out most of the others is not kept."""
        size = len(self._kept)
        if size < len(self._features) and 4 * len(rows) > size:
            return
        at = (self._next + np.arange(len(rows))) % size
        left = self._holder[at]
        self._place[left[left >= 0]] = -1
        self._kept[at], self._holder[at], self._place[rows] = similarities, rows, at
        self._next = (self._next + len(rows)) % size

    def add(self, row: int) -> None:
        """O(n), or O(nd)."""
        self._best = np.maximum(self._best, self._similarities(np.array([row]))[0])


def unit_rows(features: Matrix) -> Matrix:
    """Rows scaled to length 1; zero rows stay zero. By the largest entry first, so that nothing over- or underflows."""
    peak = np.abs(features).max(axis=1, keepdims=True, initial=0.0)
    scaled = features / np.where(peak > 0, peak, 1.0)
    length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
    return scaled / np.where(length > 0, length, 1.0)
