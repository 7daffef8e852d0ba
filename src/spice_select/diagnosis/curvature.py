"""Total curvature of log det over a pool, exactly, by leverage scores; and the guarantee that it buys greedy."""

import math
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.matrix import compact, read, tiles
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
    Cost: 3nd² + d³ float64 flops for n ≥ d; below that the rows are first shortened to n dimensions (2dn²).
    """
    checked, alpha = read(features), alpha_of(objective)
    alone = np.log1p(alpha * checked.squares)
    rows = np.flatnonzero(alone > 0)
    if not len(rows):
        return Curvature(value=0.0, row=-1)
    with np.errstate(divide="ignore"):
        last = -np.log1p(-np.minimum(_leverages(compact(checked.array), alpha)[rows], 1.0))
    ratios = np.minimum(last, alone[rows]) / alone[rows]
    least = int(np.argmin(ratios))
    return Curvature(value=float(1 - ratios[least]), row=int(rows[least]))


def _leverages(matrix: np.ndarray, alpha: float) -> np.ndarray:
    """Leverage h of each row, float64 [n]."""
    information = np.eye(matrix.shape[1])
    for _, tile in tiles(matrix):
        information += alpha * (tile.T @ tile)
    root = np.linalg.inv(np.linalg.cholesky(information).T)
    out = np.empty(len(matrix))
    for start, tile in tiles(matrix):
        image = tile @ root
        out[start : start + len(tile)] = alpha * np.einsum("ij,ij->i", image, image)
    return out
