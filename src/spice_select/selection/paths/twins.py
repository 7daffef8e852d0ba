"""Identical rows: of those that are open only the lowest can be the next pick, so the others need not be looked at."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class Twins:
    """The classes of rows with identical features and cost. `twins`: see `Features.twins`."""

    def __init__(self, twins: Mapping[int, NDArray[np.int64]], costs: NDArray[np.float64] | None) -> None:
        rows = np.array(sorted(twins), dtype=np.int64)
        firsts = np.array([twins[row][0] for row in rows.tolist()], dtype=np.int64)
        keys = np.stack([firsts, np.zeros(len(rows)) if costs is None else costs[rows]], axis=1)
        classes = np.unique(keys, axis=0, return_inverse=True)[1].ravel() if len(rows) else rows
        self._rows, self._classes = rows[::-1], classes[::-1]  # the lowest last: it is what an assignment leaves
        self._lowest = np.empty(int(classes.max()) + 1 if len(rows) else 0, dtype=np.int64)

    def visible(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """`allowed` without the rows that have a lower open twin. O(n) where there are twins."""
        if not len(self._rows):
            return allowed
        seen, open_ = allowed.copy(), allowed[self._rows]
        rows = self._rows[open_]
        seen[rows] = False
        self._lowest[:] = -1
        self._lowest[self._classes[open_]] = rows
        seen[self._lowest[self._lowest >= 0]] = True
        return seen
