"""The crossed ("pigeonhole") bootstrap of Owen (2007): a check of the closed form, never reported alone.

With five seeds it covers .84 of a nominal .95 where the seeds do the scattering.
"""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1000
"""Draws made at once, which bounds the memory to `_BLOCK` × rows numbers."""


def crossed_bootstrap(
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of the mean of `values` ``[S, R]``, seeds and rows resampled independently.

    With `weights` ``[R]`` it is that of Σ values / Σ weights over rows, averaged over seeds: `values` are then loss
    sums and `weights` tokens, and the ratio is taken anew in each draw instead of being linearised.
    """
    rng = np.random.default_rng(seed)
    seeds, rows = values.shape
    below = np.ones(rows) if weights is None else weights
    means = []
    for start in range(0, draws, _BLOCK):
        count = min(_BLOCK, draws - start)
        by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=count) / seeds
        by_row = rng.multinomial(rows, np.full(rows, 1 / rows), size=count)
        means.append(((by_seed @ values) * by_row).sum(axis=1) / (by_row @ below))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
