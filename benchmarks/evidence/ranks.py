"""Do two numbers of the same subsets go together, by rank."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from spice_select.errors import InputError


@dataclass(frozen=True)
class Correlation:
    """Spearman's ρ over `count` pairs, and its two-sided permutation p."""

    rho: float
    p: float
    count: int


def spearman(x: Sequence[float], y: Sequence[float], *, draws: int = 9_999, seed: int = 0) -> Correlation:
    """Spearman's ρ, ties sharing their mean rank; the p is exact where all n! orders are at most `draws`.

    Raises:
        InputError: fewer than four pairs, unequal counts, or a side that does not vary.
    """
    if len(x) != len(y) or len(x) < 4:
        raise InputError(f"{len(x)} and {len(y)} values: a rank correlation needs as many on both sides, at least 4.")
    for side in (x, y):
        if len(set(side)) == 1:
            raise InputError(f"{len(side)} values, all {side[0]}: what does not vary has no rank. Leave it out.")
    ours, theirs = _standard_ranks(x), _standard_ranks(y)

    def rho(order: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        return (order * theirs).sum(axis=axis)

    tested = stats.permutation_test(
        (ours,), rho, permutation_type="pairings", n_resamples=draws, vectorized=True, rng=np.random.default_rng(seed)
    )
    return Correlation(float(tested.statistic), float(tested.pvalue), len(x))


def _standard_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Mean 0 and length 1, so that a product of two is their correlation."""
    ranks = stats.rankdata(values) - (len(values) + 1) / 2
    return ranks / np.linalg.norm(ranks)
