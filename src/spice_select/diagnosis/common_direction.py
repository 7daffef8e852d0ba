"""How much of a common direction rows have, and how well a random draw of them follows it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.features import Features, read
from spice_select.numerics.tiles import row_sum


def common_share(features: object) -> float:
    """ρ = mean over pairs of ⟨g_i, g_j⟩ / mean ‖g_i‖²: the mean cosine of two rows, where rows have length one.

    From the mean alone: Σ_{i≠j} ⟨g_i, g_j⟩ = ‖Σ g‖² − Σ ‖g‖². Rows of zeros have no direction and are left out.
    Cost: O(nd).

    Args:
        features: ``[n, d]``.

    Raises:
        InputError: fewer than two rows are not zero.
    """
    checked = read(features)
    n, squares = int((checked.squares > 0).sum()), float(checked.squares.sum())
    if n < 2:
        raise InputError(f"{n} of {checked.n} rows are not zero; a cosine needs two")
    total = row_sum(checked.array)
    return (float(total @ total) - squares) / (n - 1) / squares


def random_alignment(common: float, picks: int, rows: int | None = None) -> float:
    """Cosine of the mean gradient of a random draw with that of all rows, to first order: 1/√(1 + (1−ρ)/(kρ)).

    E‖mean of k‖² = (1 + (k−1)ρ)/k in units of a row's mean square, and its product with the mean of all n is that
    mean's own square, (1 + (n−1)ρ)/n, or ρ where n has no end.

    Args:
        common: ρ; see `common_share`.
        picks: k.
        rows: n, of which the draw is made without replacement; None for a pool far larger than the draw.

    Returns:
        0 … 1; 0 where the rows have no common direction (ρ not above 0, and no end of rows).
    """
    ends = 0.0 if rows is None else (1.0 - common) / rows
    mean, drawn = common + ends, common + (1.0 - common) / picks
    return math.sqrt(min(1.0, mean / drawn)) if mean > 0 and drawn > 0 else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnAlignment:
    """The same, as drawn.

    Attributes:
        picks: rows in a draw.
        cosines: float64 ``[R]``, of the mean of each draw with the mean of all rows.
        expected: what `random_alignment` says of draws from as many rows.
    """

    picks: int
    cosines: NDArray[np.float64]
    expected: float


def drawn_alignment(features: object, picks: int, *, draws: int, seed: int = 0) -> DrawnAlignment:
    """Draw rows without replacement, and compare their mean with the mean of all.

    Args:
        features: ``[n, d]``.
        picks: rows in a draw, at most n.
        draws: how many draws, each from its own seeded stream.
        seed: of the draws.

    Cost: O((n + draws·k)·d).
    """
    checked = read(features)
    mean = row_sum(checked.array) / checked.n
    found = [_cosine(part, mean) for part in _means(checked, picks, draws, seed)]
    return DrawnAlignment(
        picks=picks,
        cosines=np.array(found),
        expected=random_alignment(common_share(checked), picks, checked.n),
    )


def _means(features: Features, picks: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    for draw in range(draws):
        rows = np.random.default_rng((seed, 4, draw)).choice(features.n, picks, replace=False)
        yield features.rows(rows).mean(axis=0)


def _cosine(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    size = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / size if size > 0 else 0.0
