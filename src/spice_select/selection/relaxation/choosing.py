"""Rows by the weights that the relaxation of log det gives them: which k rows to take, or which to choose among."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import Features
from spice_select.numerics.tiles import tiles
from spice_select.selection.partitioned.passes import passes_over
from spice_select.selection.penalties.conflict import Conflict, hinge
from spice_select.selection.relaxation.constraint import Cardinality, sum_of_largest
from spice_select.selection.relaxation.factor import STEEP
from spice_select.selection.relaxation.tangents import raised, steps_from

TURNS = 3  # scores, the k best by them and their mean gradient, over and over: what a fixed mean takes to settle


@dataclass(frozen=True, eq=False)
class Weighed:
    """What the last pass found: `worth` float64 [n] ranks the rows, −∞ for excluded ones; `forms` is α‖Bg‖² of each."""

    worth: NDArray[np.float64]
    forms: NDArray[np.float64]

    def best(self, count: int, score: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
        """The rows of the highest worth, or score, highest first; the lower row number where they tie. O(n log n)."""
        return np.argsort(-(self.worth if score is None else score), kind="stable")[:count]


def weighed(features: Features, k: int, alpha: float, *, passes: int, excluded: NDArray[np.int64]) -> Weighed:
    """All rows after so many steps w ← min(1, c·w·(α‖Bg‖²)³) from w = k/n, B the inverse root of I + αΣ w g gᵀ.

    Cost: `passes` × (3nd² flops in float32 and d³ in float64). Nothing of the matrix is copied.
    """
    free = np.ones(features.n)
    free[excluded] = 0.0
    steep = alpha * sum_of_largest(features.squares, k) > STEEP
    rows = passes_over(features, None, alpha, single=not steep)
    for weights, _, forms in islice(steps_from(rows, free, Cardinality(k), features.d), passes):
        found = Weighed(np.where(free > 0, raised(weights, forms), -np.inf), forms)
    return found


def unopposed(features: Features, rows: Weighed, k: int, penalty: Conflict) -> NDArray[np.int64]:
    """The k best by log(1 + α‖Bg‖²) less the conflict with the mean gradient of the k best, by turns. O(nd) a turn."""
    open_, lengths = rows.worth > 0, np.sqrt(features.squares)
    last = np.where(rows.worth < 0, -np.inf, np.finfo(np.float64).min)  # rows of no worth, then the excluded ones
    best = rows.best(k)
    for _ in range(TURNS):
        mean = sum(tile.sum(axis=0) for _, tile in tiles(features.array, best)) / len(best)
        conflicts = np.concatenate(
            [hinge(tile, lengths[at : at + len(tile)], mean, penalty.eta) for at, tile in tiles(features.array)]
        )
        scores = np.where(open_, np.log1p(rows.forms) - penalty.weight * conflicts, last)
        best = rows.best(k, scores)
    return best
