"""Upper bounds on the scores of rows, and what r must reach for a score to reach a level."""

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.inner import OVERFLOW


class Keys:
    """Bounds on r and on conflicts as bounds on (log(1 + αr) − λ·conflict)/price.

    `weight` λ counts only where the bounds know of conflicts; `prices` float64 [n], or None for 1.
    """

    def __init__(self, bounds: Bounds, *, alpha: float, weight: float, prices: NDArray[np.float64] | None) -> None:
        self.bounds, self.alpha = bounds, alpha
        self._weight = weight if bounds.knows_conflicts else 0.0
        self._prices = prices

    def of(self, rows: NDArray[np.int64] | slice, fall: float) -> NDArray[np.float64]:
        """Upper bounds on the scores, now and for as long as no conflict falls by more than `fall`."""
        scores = np.log1p(self.alpha * self.bounds.r[rows])
        if self._weight:
            # A conflict of c may fall by `fall` while a block lasts, and to no less than 0: so u − λ·max(0, c − fall)
            # holds until the mean has turned further, from when on `Block` adds the difference itself.
            scores -= self._weight * np.maximum(0.0, self.bounds.conflicts(rows) - fall)
        if self._prices is not None:
            scores /= self._prices[rows]
        return scores

    def floor(self, level: float) -> NDArray[np.float64] | float:
        """What r must reach, in each row or in all, for a score to reach `level`."""
        # score ≤ log(1 + αr)/price, so a row below this r is below the level; 1e-9 keeps rounding from cutting one off.
        scores = np.maximum(level * (1.0 if self._prices is None else self._prices), 0.0)
        return np.expm1(np.minimum(scores, OVERFLOW)) * ((1 - 1e-9) / self.alpha)
