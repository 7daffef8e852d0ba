"""The scale α by the spectrum of the rows: what `--alpha auto` goes by."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.threads import fitting_threads
from spice_select.errors import InputError
from spice_select.numerics.features import Features, read
from spice_select.numerics.tiles import gram

EXACT = 4096
"""Rows or dimensions, whichever are fewer, up to which the spectrum is that of all rows."""
_BEYOND = 4.0  # 4α*: past the bend, where choices hardly change any more (docs/tuning.md)
_REACH = (1.0, 100.0)  # of α‖g‖² for the mean row
_DIGITS = 3  # of α: what the last bits of a factorisation differ by on another machine must not change a choice


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """The α that the rows suggest for so many picks.

    Attributes:
        alpha: what is taken: 4α*, α times the mean squared length within 1 and 100, to three digits.
        half: α*, where d_eff(α*) = k/2; infinite where the rows span no more than k/2 directions.
        leverage: n/‖G − G_k‖²_F, what ridge leverage scores would take; infinite where k directions hold all.
        picks: k; a fraction where a budget is shared between pools.
        rows: n.
        sampled: rows that the spectrum is of; n but for large matrices.
    """

    alpha: float
    half: float
    leverage: float
    picks: float
    rows: int
    sampled: int

    @property
    def sentence(self) -> str:
        """Where the number comes from."""
        cut = "" if math.isclose(self.alpha, _BEYOND * self.half, rel_tol=1e-2) else ", cut to what is in reach"
        of = "" if self.sampled == self.rows else f"; the spectrum is that of {self.sampled:,} of {self.rows:,} rows"
        if math.isinf(self.half):
            cut = ": the rows span too few directions, so the largest in reach is taken"
        return (
            f"{self.alpha:.3g} by rule: at α = {self.half:.3g} {self.picks:.4g} random rows hold half as many "
            f"effective dimensions, and four times that is taken{cut}; by ridge leverage {self.leverage:.3g}{of}"
        )


def half_saturation(features: object, picks: float, *, seed: int = 0) -> Saturation:
    """The α at which k random rows are expected to leave the directions they reach about half learnt, times four.

    d_eff(α) = Σ_j s_j/(s_j + 1/α) with s_j = (k/n)λ_j, λ_j the eigenvalues of GᵀG, is the effective dimension of the
    information that k random rows are expected to hold. It grows with α from 0 to the rank; d_eff = k is out of reach.
    Under pools k is a pool's share, as the state starts empty in each. No tuned loss stands behind the rule:
    it lands where choices hardly depend on α any more. For ridge leverage see Cohen, Musco and Musco, arXiv 1511.07263.

    Args:
        features: ``[n, d]``, as the selector sees them.
        picks: k, above 0.
        seed: of the sample.

    Raises:
        InputError: features that cannot be used; k not above 0.

    Cost: nd² + 4/3·q³ float64 flops with q = min(n, d) ≤ `EXACT`. Above that the spectrum is of a seeded sample of
    `EXACT` rows, scaled by n over them: its d_eff is on average too small, so α too large, by more the larger k is.
    """
    checked = read(features)
    if not picks > 0:
        raise InputError(f"picks={picks!r}: must be above 0. Give as many as will be chosen.")
    values, sampled = spectrum(checked, seed)
    half = _root(values * picks / checked.n, picks / 2)
    mean = float(checked.squares.mean()) or 1.0
    rest = float(values[max(1, round(picks)) :].sum())
    return Saturation(
        alpha=float(f"{min(max(_BEYOND * half, _REACH[0] / mean), _REACH[1] / mean):.{_DIGITS}g}"),
        half=half,
        leverage=checked.n / rest if rest > 0 else math.inf,
        picks=picks,
        rows=checked.n,
        sampled=sampled,
    )


def spectrum(checked: Features, seed: int) -> tuple[NDArray[np.float64], int]:
    """The eigenvalues of GᵀG, descending, those of rounding as 0, and how many rows they are of; see the cost above."""
    part = checked
    if min(checked.n, checked.d) > EXACT:
        part = checked.take(np.sort(np.random.default_rng((seed, 5)).choice(checked.n, EXACT, replace=False)))
    with fitting_threads(min(part.n, part.d)):
        values = np.linalg.eigvalsh(gram(part.compacted))[::-1]
    noise = len(values) * np.finfo(np.float64).eps * max(values[0], 0.0)
    return np.where(values > noise, values, 0.0) * (checked.n / part.n), part.n


def _root(shares: NDArray[np.float64], wanted: float) -> float:
    """α with Σ s/(s + 1/α) = wanted, by bisection; infinite where the s above 0 are too few."""
    shares = shares[shares > 0]
    if len(shares) <= wanted:
        return math.inf
    low = high = wanted / float(shares.sum())  # Σ s/(s + 1/α) ≤ αΣs
    while _effective(shares, high) < wanted:
        low, high = high, 2 * high
    while high > low * (1 + 1e-12):
        middle = (low + high) / 2
        low, high = (middle, high) if _effective(shares, middle) < wanted else (low, middle)
    return high


def _effective(shares: NDArray[np.float64], alpha: float) -> float:
    return float((shares / (shares + 1 / alpha)).sum())
