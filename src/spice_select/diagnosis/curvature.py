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
    Cost: nd² + d³ float64 flops (2nd² + d³ where αΣ‖g‖² is above `_STEEP`), nd² in float32, and 2d² in float64 for each
    row that float32 does not tell from the least; for n ≤ d the rows are first shortened to n dimensions (2dn² + 8n³).
    """
    checked, alpha = read(features), alpha_of(objective)
    alone = np.log1p(alpha * checked.squares)
    rows = np.flatnonzero(alone > 0)
    if not len(rows):
        return Curvature(value=0.0, row=-1)
    last = _Last(checked, alpha)
    low, high = (np.minimum(last.of(h)[rows], alone[rows]) / alone[rows] for h in (last.forms.low, last.forms.high))
    last.forms.settle(rows[low <= high.min()])
    ratios = np.minimum(last.of(last.forms.low)[rows], alone[rows]) / alone[rows]
    least = int(np.argmin(ratios))
    return Curvature(value=float(1 - ratios[least]), row=int(rows[least]))


class _Last:
    """Δ_x(D∖x) = −log(1−h_x) of each row from `forms`, its leverage between two bounds; float64 [n], rounded down."""

    def __init__(self, checked: Features, alpha: float) -> None:
        matrix, mass = checked.compacted, alpha * float(checked.squares.sum())
        n, d = matrix.shape
        steep = mass > _STEEP
        factor = factor_of(matrix, np.arange(n), alpha) if steep else factor_of_all(checked, alpha)
        self._loss = gamma(d + 8, UNIT64) * (
            1 + (math.sqrt(mass) if steep else mass)
        )  # QR does not square the condition
        self._alone = _last_alone(matrix, mass, alpha) if n <= d else np.zeros(n)
        self.forms = Bracketed(matrix, factor.matrix, alpha, checked.squares)

    def of(self, leverages: np.ndarray) -> np.ndarray:
        """For leverages that are those of the forms, or below."""
        last = -np.log1p(-np.minimum(leverages / (1 + self._loss), 1 - UNIT64))
        return np.maximum(last, self._alone)


def _last_alone(matrix: np.ndarray, mass: float, alpha: float) -> np.ndarray:
    """The same for n ≤ d from 1−h, the diagonal of (I+αGGᵀ)⁻¹: here nothing cancels where h is all but 1."""
    inverse = factor_of(np.asarray(matrix).T, np.arange(matrix.shape[1]), alpha).matrix
    left = np.einsum("ij,ij->j", inverse, inverse) * (1 + gamma(len(matrix) + 8, UNIT64) * (1 + math.sqrt(mass)))
    return np.asarray(-np.log(np.clip(left, np.finfo(float).tiny, 1.0)))
