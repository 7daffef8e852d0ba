"""Weights w ∈ [0,1]^n within a budget, whose tangent gives a good upper bound, improved by multiplicative steps.

With a budget of k rows Σw = k; with one of a cost C, Σ cost·w = C, k is the most rows that C buys, and r below is r
over the row's cost.

The relaxed problem is max_w Γ_k(F_w), F_w = Σ w_i g_i g_iᵀ, where Γ_k is log det for matrices of rank ≤ k, extended
concavely: of the spectrum of F_w, the head is kept and the tail is spread evenly over the directions that k rows can
still span (Nikolov 2015, *Randomized rounding for the largest simplex problem*, for the determinant itself).
Any weights give a true bound, so this search may run in float32 and on the promising rows alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from spice_select.numerics.cholesky import lower_root
from spice_select.selection.relaxation.bounds import skew_of, spectral_bound, tangent_bound
from spice_select.selection.relaxation.constraint import Constraint
from spice_select.selection.relaxation.factor import inverse_of_lower
from spice_select.selection.relaxation.passes import Passes

PATIENCE, _ENOUGH = 4, 2e-4  # stop when four steps together lowered the bound by less than this, relatively
POWER = 3  # w ← w·r³: three times the steps of the classic w ← w·r at the same cost; 4 oscillates on heavy tails
_PICKED, _SHARP = 0.3, 4  # where to begin: three tenths the picks, the rest by the fourth power of r at the picks
_NONE = 1e-4  # of the mean weight: rows below it are left out of F_w, as the tangent at any weights will do
_LIFT32, _LIFT64 = 2e-7, 4e-15  # of the trace, added to the diagonal: what rounding may have taken from the least
# eigenvalue, as where α‖g‖² is near what float64 holds digits for


class Tangent(Protocol):
    """A plane above log det, from the inverse root B of some I + αF_w."""

    @property
    def inverse_root(self) -> np.ndarray:
        """B, float64 [d, d]."""
        ...

    def bounds(self, budget: Constraint) -> dict[str, Callable[[np.ndarray], float]]:
        """B3, and B4 where it applies, as functions of α‖Bg‖² of every row, float64 [n]."""
        ...

    def rough(self, forms: np.ndarray, budget: Constraint) -> float:
        """The least of these but for rounding, in O(n + d²)."""
        ...


@dataclass(frozen=True, eq=False)
class _Triangular:
    """B lower triangular, from Cholesky: all there is to know where k ≥ d."""

    inverse_root: np.ndarray

    def bounds(self, budget: Constraint) -> dict[str, Callable[[np.ndarray], float]]:
        """B3."""
        return {"B3": lambda forms: self.rough(forms, budget)}

    def rough(self, forms: np.ndarray, budget: Constraint) -> float:
        """It is cheap enough as it is."""
        return tangent_bound(forms, self.inverse_root, budget)


@dataclass(frozen=True, eq=False)
class _Spectral:
    """B = diag(√δ)Uᵀ: `basis` U, `shrink` δ (float64), for k < d."""

    basis: np.ndarray
    shrink: np.ndarray

    @property
    def inverse_root(self) -> np.ndarray:
        """B, float64 [d, d]."""
        return np.sqrt(self.shrink)[:, None] * self.basis.T

    def bounds(self, budget: Constraint) -> dict[str, Callable[[np.ndarray], float]]:
        """B4 and, from the same B, B3, which is never below it."""

        def of_rank(rank: int) -> Callable[[np.ndarray], float]:
            return lambda forms: spectral_bound(forms, self.shrink, self._skew, budget, rank)

        return {"B4": of_rank(budget.rows), "B3": of_rank(len(self.basis))}

    def rough(self, forms: np.ndarray, budget: Constraint) -> float:
        """B4, as if U were orthonormal."""
        return spectral_bound(forms, self.shrink, 0.0, budget, budget.rows)

    @cached_property
    def _skew(self) -> float:
        return skew_of(self.basis)


def spread_tail(spectrum: np.ndarray, k: int) -> np.ndarray:
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


def tangent(rows: Passes, weights: np.ndarray, rank: int) -> Tangent:
    """That of the relaxation to matrices of at most this rank, at these weights [m] of the rows.

    Cost: md² flops in the rows' dtype, and d³ in float64: about ten of them for rank < d, which takes the spectrum.
    """
    total = rows.weighted_sum(np.where(weights > _NONE * float(weights.mean()), weights, 0.0))
    d = len(total)
    if rank < d:
        values, vectors = _spectrum(total, single=rows.single)
        return _Spectral(vectors[:, ::-1], 1 / (1 + spread_tail(np.maximum(values[::-1], 0.0), rank)))
    lift = _LIFT32 if rows.single else _LIFT64
    total[np.diag_indices(d)] += 1 + lift * float(np.trace(total))
    return _Triangular(inverse_of_lower(lower_root(total)))


def _spectrum(matrix: np.ndarray, *, single: bool) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix, float64; in float32, at half the cost, if
    `single`: the bound of any basis is true, and what this one lacks in orthogonality is measured.
    """
    from scipy.linalg import eigh  # here: as in `lower_root`

    values, vectors = eigh(
        matrix.astype(np.float32 if single else np.float64), driver="evd", overwrite_a=True, check_finite=False
    )
    return values.astype(np.float64), vectors.astype(np.float64)


def beginning(picked: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Weights to begin with, float64 [n], given the picks and what each row adds there for what it takes."""
    weights = (rates / max(float(rates.max()), 1e-300)) ** _SHARP
    weights *= (1 - _PICKED) * len(picked) / max(float(weights.sum()), 1e-300)
    weights[picked] += _PICKED
    return weights


def steps_from(
    rows: Passes, start: np.ndarray, budget: Constraint, rank: int
) -> Iterator[tuple[np.ndarray, Tangent, np.ndarray]]:
    """Weights [m], the tangent there and α‖Bg‖² of each row, step by step without an end: w ← min(1, c·w·r³)."""
    weights = budget.capped(start)
    while True:
        found = tangent(rows, weights, rank)
        forms = rows.squares(found.inverse_root)
        yield weights, found, forms
        weights = budget.capped(raised(weights, budget.rates(forms)))


def raised(weights: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """What a step makes of weights before they are brought within the budget."""
    return weights * (rates / max(float(rates.max()), 1e-300)) ** POWER


def improve(rows: Passes, start: np.ndarray, budget: Constraint, steps: int, rank: int) -> Tangent:
    """The best tangent of at most `steps` multiplicative steps from `start` [m].

    `rank`: the most that a choice can have, or d, which holds for any.
    Cost: `steps` × (2md² in the rows' dtype and 2d³ in float64; 3md² and about 10d³ for rank < d); of one step md².
    """
    if steps == 1:
        return tangent(rows, budget.capped(start), rank)  # none to compare it with
    best, kept = np.inf, None
    history: list[float] = []
    for step, (_, found, forms) in zip(range(1, steps + 1), steps_from(rows, start, budget, rank), strict=False):
        bound = found.rough(forms, budget)
        if kept is None or bound < best:
            best, kept = bound, found
        history.append(best)
        if step > PATIENCE and history[-1 - PATIENCE] - best < _ENOUGH * best:
            break
    if kept is None:
        raise ValueError(f"steps={steps}: at least one is needed")
    return kept
