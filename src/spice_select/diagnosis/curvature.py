"""Total curvature of log det over a pool, exactly, by leverage scores; and the guarantee that it buys greedy."""

import math
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.ports import alpha_of
from spice_select.numerics.features import Features, read
from spice_select.numerics.rounding import UNIT64, gamma
from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.relaxation.brackets import Bracketed
from spice_select.selection.relaxation.factor import factor_of, factor_of_all

_STEEP = 1e6  # of αΣ‖g‖²: above it a Gram matrix keeps fewer than nine digits of what its inverse needs


@dataclass(frozen=True, kw_only=True)
class Curvature:
    """`value` c = 1 − min_x Δ_x(D∖x)/Δ_x(∅) in [0, 1]; `row` the x that attains it, −1 where every row is zero."""

    value: float
    row: int

    @property
    def guarantee(self) -> float:
        """(1−e^{−c})/c: greedy with λ = 0 reaches at least this share of the optimum; 1 where c = 0."""
        return -math.expm1(-self.value) / self.value if self.value > 0 else 1.0


def curvature(features: object, objective: LogDet) -> Curvature:
    """Total curvature of log det(I + αF) on the rows of `features` [n, d] (Conforti and Cornuéjols 1984).

    Δ_x(D∖x) = −log(1−h_x) with the leverage h_x = α g_xᵀ(I+αF_D)⁻¹g_x, so one factorisation gives all n of them. The
    value is rounded towards 1, so that the guarantee is not above what holds. Zero rows add nothing wherever they
    stand, and are left out. Raises InputError as `certificate` does.
    Cost: nd² + d³ float64 flops (2nd² + d³ where αΣ‖g‖² is above `_STEEP`), up to nd² in float32, since a row is left
    once what is known of its leverage is too much, and 2d² in float64 for each row that float32 does not tell from the
    least; for n ≤ d the rows are first shortened to n dimensions (2dn² + 8n³).
    """
    checked, alpha = read(features), alpha_of(objective)
    last = _Last(checked, alpha)
    rows = np.flatnonzero(last.alone > 0)
    if not len(rows):
        return Curvature(value=0.0, row=-1)
    forms = Bracketed(last.matrix, last.factor.matrix, alpha, checked.squares, last)
    forms.settle(rows[last.ratios(rows, forms.low[rows]) <= last.ratios(rows, forms.high[rows]).min()])
    ratios = last.ratios(rows, forms.low[rows])
    least = int(np.argmin(ratios))
    return Curvature(value=float(1 - ratios[least]), row=int(rows[least]))


class _Last:
    """Δ_x(D∖x)/Δ_x(∅) of rows by their leverages, rounded down; and the contest for the least of them.

    Attributes:
        matrix: the rows, compact.
        factor: of all of them.
        alone: Δ_x(∅) of each row, float64 [n].
        best: at least the least ratio.
    """

    def __init__(self, checked: Features, alpha: float) -> None:
        self.matrix, mass = checked.compacted, alpha * float(checked.squares.sum())
        n, d = self.matrix.shape
        steep = mass > _STEEP
        self.factor = factor_of(self.matrix, np.arange(n), alpha) if steep else factor_of_all(checked, alpha)
        self.alone, self.best = np.log1p(alpha * checked.squares), np.inf
        self._loss = gamma(d + 8, UNIT64) * (
            1 + (math.sqrt(mass) if steep else mass)
        )  # QR does not square the condition
        self._last_alone = _last_alone(self.matrix, mass, alpha) if n <= d else np.zeros(n)

    def ratios(self, rows: np.ndarray, leverages: np.ndarray) -> np.ndarray:
        """For leverages that are those of the rows, or below; infinite where nothing is gained even alone."""
        last = -np.log1p(-np.minimum(leverages / (1 + self._loss), 1 - UNIT64))
        alone = self.alone[rows]
        share = np.minimum(np.maximum(last, self._last_alone[rows]), alone)
        return np.divide(share, alone, out=np.full(len(rows), np.inf), where=alone > 0)

    def may_win(self, rows: np.ndarray, low: np.ndarray) -> np.ndarray:
        """See `Contest`."""
        return self.ratios(rows, low) <= self.best

    def enter(self, rows: np.ndarray, high: np.ndarray) -> None:
        """See `Contest`."""
        self.best = min(self.best, float(self.ratios(rows, high).min(initial=np.inf)))


def _last_alone(matrix: np.ndarray, mass: float, alpha: float) -> np.ndarray:
    """The same for n ≤ d from 1−h, the diagonal of (I+αGGᵀ)⁻¹: here nothing cancels where h is all but 1."""
    inverse = factor_of(np.asarray(matrix).T, np.arange(matrix.shape[1]), alpha).matrix
    left = np.einsum("ij,ij->j", inverse, inverse) * (1 + gamma(len(matrix) + 8, UNIT64) * (1 + math.sqrt(mass)))
    return np.asarray(-np.log(np.clip(left, np.finfo(float).tiny, 1.0)))
