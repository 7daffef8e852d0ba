"""Upper bounds on F(S*), the most log det(I + α Σ_{i∈S} g_i g_iᵀ) within a budget; derivations in docs/diagnosis.md.

B1, B1c   submodularity: from a set T, no k rows can add more than the k largest gains at T (B1c: less what T repays);
B2, B3    the tangent of the concave relaxation w ↦ log det(I + αΣ w_i g_i g_iᵀ), at S and at better weights;
B4        the tangent of the relaxation that also knows that k rows have rank ≤ k: for k < d, far tighter.
Where the budget is a cost, a fractional knapsack takes the place of the k largest. Every function returns a number
that rounding cannot have carried below the true bound.
"""

import numpy as np

from spice_select.numerics.rounding import UNIT64, gamma
from spice_select.selection.relaxation.constraint import Constraint
from spice_select.selection.relaxation.factor import Factor, Forms

_SLACK = 1e-12  # relative, on the magnitudes summed: far above the rounding of pairwise sums and of log1p


def union_bound(base: float, gains: np.ndarray, inside: np.ndarray, budget: Constraint) -> float:
    """B1: F(S*) ≤ F(T) + Σ of the k largest Δ_x(T), x ∉ T. `inside` bool [n] marks T; `base` ≥ F(T)."""
    return (base + budget.most(np.where(inside, 0.0, gains))) * (1 + _SLACK)


def credited_bound(base: float, gains: np.ndarray, rows: np.ndarray, credits: np.ndarray, budget: Constraint) -> float:
    """B1c: B1 for T = `rows`, each i ∈ T outside S* repaying at least `credits`_i ≤ Δ_i(V∖i).

    F(S*) = F(T∪S*) − F(T∖S* | S*) ≤ F(T) − Σ_T credit + Σ over S* of (Δ_x(T) outside T, credit_x inside T).
    """
    worth = gains.copy()
    worth[rows] = credits
    repaid, added = float(credits.sum()), budget.most(worth)
    return base - repaid + added + _SLACK * (abs(base) + 2 * repaid + added)


def credits_of(pool: Factor, forms: Forms) -> np.ndarray:
    """A lower bound on Δ_i(V∖i) = −log(1 − α g_iᵀ(I+αF_V)⁻¹g_i) for each of the rows in `forms`, float64 [m]."""
    if not np.isfinite(pool.distortion):
        return np.zeros(len(forms.low))
    leverage = np.clip(forms.low / (1 + pool.distortion), 0.0, 1 - 2 * UNIT64)
    return -np.log1p(-leverage)


def tangent_bound(high: np.ndarray, inverse_root: np.ndarray, budget: Constraint) -> float:
    """B2: Σ of the k largest α‖Bg‖² + ‖B‖_F² − d − 2Σ log|B_ii|, true for *any* triangular invertible B."""
    return tangent_above(budget.most(high), inverse_root)


def tangent_above(total: float, inverse_root: np.ndarray) -> float:
    """The same where `total` is an upper bound on the most that α‖Bg‖² add up to."""
    d = len(inverse_root)
    square = float(np.einsum("ij,ij->", inverse_root, inverse_root))
    logs = 2 * float(np.log(np.abs(np.diag(inverse_root))).sum())
    return total + square - d - logs + _SLACK * (total + square + d + abs(logs))


def spectral_bound(high: np.ndarray, shrink: np.ndarray, skew: float, budget: Constraint, rank: int) -> float:
    """Σ of the k largest α‖Bg‖² + Σ over the `rank` smallest δ of (δ − 1 − log δ), for B = diag(√δ) Uᵀ.

    B4 with rank = min(k, d), which no k rows exceed (k = `budget.rows`); B3 with rank = d.

    `shrink` δ float64 [d] > 0; `high` α‖Bg‖² of all rows; `skew` θ ≥ ‖UᵀU − I‖, so that by Ostrowski's theorem the
    eigenvalues of BᵀB are δ_i(1±θ).
    """
    total, small = budget.most(high), np.sort(shrink)[:rank]
    spectrum = small * (1 + skew) - 1 - np.log(small) - np.log1p(-skew)
    return total + float(spectrum.sum()) + _SLACK * (total + float((small + 1 + np.abs(np.log(small))).sum()))


def skew_of(basis: np.ndarray) -> float:
    """An upper bound on ‖UᵀU − I‖ for U float64 [d, d]: how far its columns are from orthonormal. 2d³ flops."""
    d = len(basis)
    excess = basis.T @ basis
    excess[np.diag_indices_from(excess)] -= 1
    return float(np.linalg.norm(excess)) + d * gamma(d + 8, UNIT64)
