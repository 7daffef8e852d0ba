"""Facility location over cosine similarity: how well the chosen rows stand for all rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.objectives.base import Matrix, Objective, Rows

CHUNK = 1024
ROUNDING = 1e-13  # cosines that differ by less are equal: a row already stood for must gain exactly nothing


@dataclass(frozen=True)
class FacilityLocation(Objective):
    """F(S) = Σ_i max(0, max_{j∈S} cos(g_i, g_j)) over all rows i: monotone and submodular.

    A zero row is similar to nothing. Gains cost O(nd) each; no n×n matrix is kept.
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
        state = FacilityState(np.asarray(features, dtype=np.float64))
        for row in indices:
            state.add(int(row))
        return state.gains(np.asarray(candidates))

    def state(self, features: Matrix) -> "FacilityState":
        """O(nd) memory for the unit rows."""
        return FacilityState(features)


class FacilityState:
    """Each row's similarity to its nearest chosen row."""

    def __init__(self, features: Matrix) -> None:
        self._units = unit_rows(features)
        self._best = np.zeros(len(features))

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`, in chunks: O(|rows|·nd)."""
        parts = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
        return np.concatenate([self._excess(part).sum(axis=1) for part in parts] or [np.zeros(0)])

    def _excess(self, rows: Rows) -> Matrix:
        more = self._units[rows] @ self._units.T - self._best
        return np.where(more > ROUNDING, more, 0.0)

    def add(self, row: int) -> None:
        """O(nd)."""
        self._best = np.maximum(self._best, self._units @ self._units[row])


def unit_rows(features: Matrix) -> Matrix:
    """Rows scaled to length 1; zero rows stay zero. By the largest entry first, so that nothing over- or underflows."""
    peak = np.abs(features).max(axis=1, keepdims=True, initial=0.0)
    scaled = features / np.where(peak > 0, peak, 1.0)
    length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
    return scaled / np.where(length > 0, length, 1.0)
