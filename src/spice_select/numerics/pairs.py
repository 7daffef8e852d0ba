"""Pairs of different rows: all of them where they are few, else a seeded sample."""

import numpy as np

from spice_select.numerics.arrays import Rows


def row_pairs(n: int, pairs: int, seed: int) -> tuple[Rows, Rows]:
    """Index pairs with left ≠ right: every unordered one once, or a seeded sample of `pairs` with replacement."""
    if n * (n - 1) // 2 <= pairs:
        left, right = np.triu_indices(n, 1)
        return left, right
    rng = np.random.default_rng(seed)
    left = rng.integers(n, size=pairs)
    return left, (left + rng.integers(1, n, size=pairs)) % n
