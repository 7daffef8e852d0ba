"""What a drop in the variance of each task counts, as it stands now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix


@dataclass(frozen=True, eq=False)
class DropWorth:
    """Σ_τ (slope_τ − bend·δ_τ)·δ_τ of a row that takes δ_τ = αρ_τ/(1 + αc) off task τ.

    With one slope of 1 and no bend it is the drop itself. With bend 1/2q and slopes r_τ/q it is that of ½Σ(1 − r_τ²)/q,
    r_τ what is left of a task: a pick lowers the slopes as it takes.

    Attributes:
        slopes: float64 ``[q]``.
        bend: 0 or more.
    """

    slopes: NDArray[np.float64]
    bend: float = 0.0

    def of(self, leverage: NDArray[np.float64], reach: Matrix, alpha: float) -> NDArray[np.float64]:
        """Of rows with leverages c ``[m]`` and reaches ρ ``[q, m]``. O(mq)."""
        taken, beside = alpha * reach, alpha * leverage
        beside += 1.0
        taken /= beside  # in place: of a million rows each number is 8 MB
        return np.asarray(self.slopes @ taken if not self.bend else (self._at(taken) * taken).sum(axis=0))

    def after(self, taken: NDArray[np.float64]) -> "DropWorth":
        """Once a pick has taken so much off each task, ``[q]``."""
        return replace(self, slopes=self.slopes - 2 * self.bend * taken) if self.bend else self

    def anew(self, spreads: Sequence[Matrix]) -> "DropWorth":
        """With what is left of each task, on the diagonal of LᵀT_τL, instead of a running difference."""
        return replace(self, slopes=2 * self.bend * np.array([T.trace() for T in spreads])) if self.bend else self

    def _at(self, taken: Matrix) -> Matrix:
        return self.slopes[:, None] - self.bend * taken
