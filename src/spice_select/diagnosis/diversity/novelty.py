"""NovelSum: how far the rows of a choice lie from one another, a distance in a crowded part of the pool counting more.

Yang et al. 2025 (arXiv 2502.17184). The paper's text and the authors' code weight differently, so there are two rules;
both rank a row's distances and weight rank r by 1/r, and take the square root of the crowding. Of directions, not of
raw states, whose squared distances are thousands: numbers elsewhere are on another scale.
"""

from typing import Protocol

import numpy as np

from spice_select.diagnosis.diversity.undefined import UndefinedNumberError
from spice_select.numerics.arrays import Matrix, Vector


class NoveltyRule(Protocol):
    """What each row of a choice adds, float64 ``[m]``, from `distances` 1 − cos ``[m, m]`` and `crowding` ``[m]``."""

    def __call__(self, distances: Matrix, crowding: Vector) -> Vector: ...


def code_novelties(distances: Matrix, crowding: Vector) -> Vector:
    """The authors' code: √σ_i · Σ_r d_i(r)/r ÷ Σ_r 1/r, d_i(1) the row's distance 0 to itself, so 1/2 for the next.

    Cost: m² log m.
    """
    weights = _by_rank(len(distances))
    return np.sqrt(crowding) * (np.sort(distances, axis=1) @ weights) / weights.sum()


def paper_novelties(distances: Matrix, crowding: Vector) -> Vector:
    """The paper: Σ_r √σ_j d_ij/r over the others j, nearest first; of equally near ones, the first in `distances`.

    Cost: m² log m.
    """
    apart = distances.copy()
    np.fill_diagonal(apart, np.inf)
    order = np.argsort(apart, axis=1, kind="stable")[:, :-1]
    return np.take_along_axis(distances * np.sqrt(crowding), order, axis=1) @ _by_rank(order.shape[1])


def novelsum(distances: Matrix, crowding: Vector) -> float:
    """Mean of `code_novelties`. Compare it at equal m only.

    Args:
        distances: 1 − cos of all pairs of the choice, ``[m, m]``; see `cosine_distances`.
        crowding: of its rows in the pool, ``[m]``; see `crowding`.

    Raises:
        UndefinedNumberError: fewer than two rows.
    """
    return float(_checked(code_novelties, distances, crowding).mean())


def paper_novelsum(distances: Matrix, crowding: Vector) -> float:
    """Sum of `paper_novelties`, otherwise as `novelsum`."""
    return float(_checked(paper_novelties, distances, crowding).sum())


def _checked(rule: NoveltyRule, distances: Matrix, crowding: Vector) -> Vector:
    if len(distances) < 2:
        raise UndefinedNumberError("one row is compared, and it has no other to be far from")
    return rule(distances, crowding)


def _by_rank(m: int) -> Vector:
    return 1.0 / np.arange(1, m + 1)
