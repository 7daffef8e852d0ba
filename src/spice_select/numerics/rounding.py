"""Units of rounding, and how far many roundings together can lead from the truth.

Proofs here never rest on a measured error: a sum of m rounded terms is off by at most γ_m, whatever the order in which
BLAS, a compiler or a processor adds them (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, §3).
"""

import numpy as np
from numpy.typing import NDArray

UNIT32 = 2.0**-24
"""Unit roundoff of float32: the most that rounding to nearest changes a number, relatively."""
UNIT64 = 2.0**-53
"""Unit roundoff of float64."""


def gamma(terms: int, unit: float) -> float:
    """γ_m = m·unit/(1 − m·unit), the relative error that m roundings can add up to (Higham, Lemma 3.1).

    Infinite where m·unit ≥ 1: nothing can be proven of so many.
    """
    return terms * unit / (1 - terms * unit) if terms * unit < 1 else float("inf")


def gammas(terms: NDArray[np.integer], unit: float) -> NDArray[np.float64]:
    """`gamma` of each number of terms, float64 of the same shape."""
    products = terms.astype(np.float64) * unit
    return np.where(products < 1, products / np.maximum(1 - products, np.finfo(np.float64).tiny), np.inf)
