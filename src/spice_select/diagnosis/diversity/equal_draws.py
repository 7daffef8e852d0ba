"""As many rows of every choice: what these numbers say of 100 rows and of 1000 does not compare."""

from collections.abc import Mapping

import numpy as np

from spice_select.numerics.arrays import Rows


def equal_draws(choices: Mapping[str, Rows], *, most: int, draws: int, seed: int) -> dict[str, list[Rows]]:
    """Draws of m rows of each choice without replacement, m the size of the smallest choice, or `most` if that is less.

    In whatever order a choice names its rows, the same are drawn; a choice of m rows is every draw of itself.

    Args:
        choices: for each name its positions in the pool.
        most: the most rows to draw.
        draws: how many draws, each from its own seeded stream.
        seed: of the draws.
    """
    m = min(most, *(len(rows) for rows in choices.values()))
    return {name: [_draw(rows, m, (seed, 8, draw)) for draw in range(draws)] for name, rows in choices.items()}


def _draw(rows: Rows, m: int, seed: tuple[int, int, int]) -> Rows:
    picked = np.random.default_rng(seed).choice(len(rows), m, replace=False)
    return np.sort(np.sort(rows)[picked])
