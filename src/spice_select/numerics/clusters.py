"""Standard errors of rows that come in groups, several pairs of one prompt say: whole groups are drawn anew."""

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.estimates import Estimate

CLUSTER_DRAWS = 1000
"""Resamples behind a standard error."""


def clustered(
    values: NDArray[np.float64],
    clusters: Sequence[Hashable],
    statistic: Callable[[NDArray[np.float64]], float],
    *,
    draws: int = CLUSTER_DRAWS,
    seed: int = 0,
) -> Estimate:
    """A statistic of rows with its bootstrap error over clusters (Efron and Tibshirani, 1993, §8.3).

    Args:
        values: ``[n]``, a number for each row.
        clusters: ``[n]``, the group of each row.
        statistic: of any number of values at least 1, whatever their order.
        draws: how often as many clusters as there are are drawn with replacement, by `seed`.
        seed: of the draws.

    Returns:
        Value over all rows, the spread of the draws (NaN for fewer than two clusters), n. Cost: `draws` statistics.
    """
    if not len(values):
        return Estimate(value=math.nan, stderr=math.nan, count=0)
    names = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    group = np.array([names[name] for name in clusters])
    size, error = len(names), math.nan
    if size > 1:
        rng = np.random.default_rng(seed)
        drawn = (np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(draws))
        error = float(np.std([statistic(np.repeat(values, counts[group])) for counts in drawn], ddof=1))
    return Estimate(value=statistic(values), stderr=error, count=len(values))
