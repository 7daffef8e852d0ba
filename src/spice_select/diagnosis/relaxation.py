"""Weights w ∈ [0,1]^n within a budget, whose tangent gives a good upper bound, improved by multiplicative steps.

With a budget of k rows Σw = k; with one of a cost C, Σ cost·w = C, k is the most rows that C buys, and r below is r
over the row's cost.

The relaxed problem is max_w Γ_k(F_w), F_w = Σ w_i g_i g_iᵀ, where Γ_k is log det for matrices of rank ≤ k, extended
concavely: of the spectrum of F_w, the head is kept and the tail is spread evenly over the directions that k rows can
still span (Nikolov 2015, *Randomized rounding for the largest simplex problem*, for the determinant itself).
Any weights give a true bound, so this search may run in float32 and on the promising rows alone.
"""

from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.budgets import Budget
from spice_select.diagnosis.matrix import tile_rows

PATIENCE, ENOUGH = 4, 2e-4  # stop when four steps together lowered the bound by less than this, relatively
POWER = 2  # w ← w·r²: twice the steps of the classic w ← w·r at the same cost; 3 can oscillate


@dataclass(frozen=True, kw_only=True)
class Tangent:
    """B = diag(√δ)Uᵀ of the best step: `basis` U, `shrink` δ (float64), the weights and the step that gave it."""

    basis: np.ndarray
    shrink: np.ndarray
    weights: np.ndarray
    steps: int

    @property
    def inverse_root(self) -> np.ndarray:
        """B, float64 [d, d]."""
        return np.sqrt(self.shrink)[:, None] * self.basis.T


def spread(spectrum: np.ndarray, k: int) -> np.ndarray:
    """The spectrum (descending, ≥ 0) with its tail replaced by what k directions can hold of it; k ≥ d: unchanged.

    Keeps the ι largest and sets the rest to (Σ tail)/(k−ι), for the one ι < k at which that mean lies between the
    neighbours. This is the eigenvalue of ∂Γ_k, not a spectrum: more than k entries carry the mean.
    """
    if k >= len(spectrum):
        return spectrum
    tails = np.cumsum(spectrum[::-1])[::-1][:k]
    means = tails / (k - np.arange(k))
    iota = int(np.argmax(means >= spectrum[:k])) if (means >= spectrum[:k]).any() else k - 1
    out = np.full_like(spectrum, means[iota])
    out[:iota] = spectrum[:iota]
    return out


def tangent(matrix: np.ndarray, weights: np.ndarray, alpha: float, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(U, δ) of the relaxation at these weights: cost 2md² in the matrix's dtype and one eigendecomposition."""
    d = matrix.shape[1]
    total = np.zeros((d, d))
    size = tile_rows(d)
    for start in range(0, len(matrix), size):
        tile = matrix[start : start + size]
        total += tile.T @ (tile * weights[start : start + size, None].astype(tile.dtype))
    values, vectors = np.linalg.eigh((total + total.T) / 2)
    spectrum = spread(np.maximum(values[::-1], 0.0), k)
    return vectors[:, ::-1], 1 / (1 + alpha * spectrum)


def improve(matrix: np.ndarray, start: np.ndarray, alpha: float, budget: Budget, steps: int) -> Tangent:
    """The best tangent of at most `steps` multiplicative steps from `start` [m] over the rows of `matrix` [m, d].

    Cost: `steps` × (4md² in the matrix's dtype + the eigendecomposition, about 10d³ in float64).
    """
    weights, best, kept, k = budget.capped(start), np.inf, None, budget.rows
    history: list[float] = []
    for step in range(1, steps + 1):
        basis, shrink = tangent(matrix, weights, alpha, k)
        root = (np.sqrt(shrink)[:, None] * basis.T).astype(matrix.dtype)
        forms = alpha * _squares(matrix, root)
        small = np.sort(shrink)[:k]
        bound = budget.most(forms) + float((small - 1 - np.log(small)).sum())
        if kept is None or bound < best:
            best, kept = bound, Tangent(basis=basis, shrink=shrink, weights=weights, steps=step)
        history.append(best)
        if step > PATIENCE and history[-1 - PATIENCE] - best < ENOUGH * best:
            break
        rates = budget.rates(forms)
        weights = budget.capped(weights * (rates / max(float(rates.max()), 1e-300)) ** POWER)
    if kept is None:
        raise ValueError(f"steps={steps}: at least one is needed")
    return kept


def _squares(matrix: np.ndarray, root: np.ndarray) -> np.ndarray:
    out, size = np.empty(len(matrix)), tile_rows(matrix.shape[1])
    for start in range(0, len(matrix), size):
        image = matrix[start : start + size] @ root.T
        out[start : start + len(image)] = np.einsum("ij,ij->i", image, image)
    return out
