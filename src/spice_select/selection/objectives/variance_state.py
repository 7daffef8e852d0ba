"""What each row would take from a variance, kept up to date by one reading of all rows for many picks."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import rows_of
from spice_select.selection.objectives.drop_worth import DropWorth
from spice_select.selection.objectives.foresight import Foresight
from spice_select.selection.objectives.posterior import Posterior, shortlist_size
from spice_select.selection.objectives.reaches import Reaches


class TargetVarianceState:
    """Each row's leverage and reach, lowered by each pick and taken anew now and then; see `Reaches`.

    A pick is a reading of all rows. So the next picks are guessed, and the rows read once for all of these: a pick that
    was guessed has its products there, at any other the rows are read again. A guess decides nothing but time.

    Args:
        features: G ``[n, d]``, read as float64 some rows at a time.
        T: Σ g_y g_yᵀ of what is to be known, ``[d, d]``.
        alpha: the scale α.
        reaches: makes what is known of all rows; where their products are taken is its affair.
    """

    def __init__(
        self,
        features: Matrix,
        T: Matrix,
        alpha: float,
        reaches: Callable[[Matrix, list[Matrix], float], Reaches] = Reaches,
    ) -> None:
        self._G, self._asked = features, np.arange(len(features))
        self._reaches = reaches(features, [T], alpha)
        self._posterior = Posterior([T], alpha, DropWorth(np.ones(1)))

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`: O(|rows|)."""
        self._asked = rows
        return self._reaches.gains(rows, self._posterior.worth)

    def add(self, row: int) -> None:
        """O(n) where the row was foreseen; else O((nd + d²)·picks looked ahead)."""
        foreseen = self._posterior.foreseen
        if foreseen is None or not foreseen.expects(row):
            foreseen = self._look_ahead(row)
        self._reaches.lower(foreseen.taken, foreseen.betas[foreseen.taken])
        self._posterior.take(rows_of(self._G, [row])[0])
        if self._posterior.due:
            self._reaches.take_anew(*self._posterior.take_anew())

    def _look_ahead(self, row: int) -> Foresight:
        """Guess what follows this pick, among the rows that were last asked for, and read all rows for it."""
        self._posterior.look_back()
        rows = np.union1d(self._leading(), [row])
        count = min(self._posterior.room(len(self._G)), len(self._asked))
        first = int(np.searchsorted(rows, row))
        found = self._posterior.look_ahead(rows, rows_of(self._G, rows), given=[first], count=count)
        self._reaches.read(found.vectors)
        return found

    def _leading(self) -> Rows:
        """Those of the rows last asked for that have the most to gain."""
        count = shortlist_size(*self._G.shape)
        if count >= len(self._asked):
            return self._asked
        return self._asked[np.argpartition(self.gains(self._asked), -count)[-count:]]
