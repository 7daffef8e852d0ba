"""Total curvature of log det over a pool, exactly, by leverage scores; and the guarantee that it buys greedy."""

import math
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.matrix import read, tiles
from spice_select.diagnosis.ports import alpha_of
from spice_select.selection.objectives.logdet import LogDet


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

    Δ_x(D∖x) = −log(1−h_x) with the leverage h_x = α g_xᵀ(I+αF_D)⁻¹g_x, so one factorisation gives all n of them.
    Zero rows add nothing wherever they stand, and are left out. Raises InputError as `certificate` does.
    Cost: 3nd² + d³ float64 flops for n ≥ d; n²d + n³ below that, where 1−h_x is the diagonal of (I+αGGᵀ)⁻¹.
    """
    checked, alpha = read(features), alpha_of(objective)
    alone = np.log1p(alpha * checked.squares)
    rows = np.flatnonzero(alone > 0)
    if not len(rows):
        return Curvature(value=0.0, row=-1)
    with np.errstate(divide="ignore"):
        last = -np.log(np.clip(_complements(checked.array, alpha)[rows], 0.0, 1.0))
    ratios = np.minimum(last, alone[rows]) / alone[rows]
    least = int(np.argmin(ratios))
    return Curvature(value=float(1 - ratios[least]), row=int(rows[least]))


def _complements(matrix: np.ndarray, alpha: float) -> np.ndarray:
    """1 − h of each row, float64 [n]."""
    n, d = matrix.shape
    if n < d:
        rows = matrix.astype(np.float64)
        return np.diag(np.linalg.inv(np.eye(n) + alpha * rows @ rows.T)).copy()
    information = np.eye(d)
    for _, tile in tiles(matrix):
        information += alpha * (tile.T @ tile)
    root = np.linalg.inv(np.linalg.cholesky(information).T)
    out = np.empty(n)
    for start, tile in tiles(matrix):
        image = tile @ root
        out[start : start + len(tile)] = 1 - alpha * np.einsum("ij,ij->i", image, image)
    return out
