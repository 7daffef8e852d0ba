"""A gain as a share of another gain, with Fieller's interval."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from spice_select.comparison.statistics.crossed import Strata, crossed


@dataclass(frozen=True)
class Ratio:
    """`value` with its interval, unbounded where the denominator may be zero; NaN where it is not positive."""

    value: float
    low: float
    high: float

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


def ratio(
    gain: NDArray[np.float64], whole: NDArray[np.float64], strata: Strata | None = None, level: float = 0.95
) -> Ratio:
    """mean(gain) / mean(whole), both contributions ``[S, R]`` of the same seeds and rows; `strata` as `crossed`.

    Fieller's interval holds every ρ for which gain − ρ·whole is not told from zero: the roots of
    (ḡ − ρw̄)² = t²·v(ρ), where v(ρ), quadratic in ρ, is the crossed variance of gain − ρ·whole. The t is that of the
    degrees of freedom at the ratio itself. No symmetry is assumed, and a denominator within its noise gives no bounds
    instead of false ones, which the delta method would.
    """
    top, below, both = crossed(gain), crossed(whole), crossed(gain + whole)
    if below.mean <= 0:
        return Ratio(math.nan, -math.inf, math.inf)
    value = top.mean / below.mean
    t2 = float(stats.t.ppf((1 + level) / 2, crossed(gain - value * whole, strata).df)) ** 2
    covariance = (both.error**2 - top.error**2 - below.error**2) / 2
    a = below.mean**2 - t2 * below.error**2
    b = top.mean * below.mean - t2 * covariance
    c = top.mean**2 - t2 * top.error**2
    if a <= 0:
        return Ratio(value, -math.inf, math.inf)
    root = math.sqrt(max(0.0, b * b - a * c))
    return Ratio(value, (b - root) / a, (b + root) / a)
