"""Which rows lead: stale bounds are brought up to date from the top until the top is fresh."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.keys import Keys

_LOWEST = float(np.finfo(np.float64).min)


class Ranked(Protocol):
    """Rows with bounds on their scores."""

    bounds: Bounds
    scores: Keys

    def open_keys(self) -> NDArray[np.float64]:
        """Upper bounds on the scores of all rows, −∞ for those that cannot be the next pick."""
        ...

    def keys(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Those of some rows, open or not."""
        ...


class Leading:
    """How far down the next look will have to go, learned from the looks before."""

    def __init__(self, ranked: Ranked) -> None:
        self._ranked = ranked
        self._out = self._expected = np.inf  # the last bound outside, and where the next one may lie

    def contenders(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The rows with the highest fresh bounds, highest first, and every row's bound (−∞ if it is not open)."""
        ranked, bounds = self._ranked, self._ranked.bounds
        keys = ranked.open_keys()
        level, refreshed = self._expected, 0
        while True:
            rows, out = highest(keys, size, near=level)
            # A stale key is a bound like any other, so only rows above the first stale one are sure to lead. Which rows
            # are contenders and how many are refreshed at a time is a matter of speed: any set would do.
            stale = bounds.reached[rows] < bounds.now
            fresh = int(np.argmax(stale)) if stale.any() else len(rows)
            if fresh == len(rows) or 2 * fresh > size:
                self._expect(out if fresh == len(rows) else float(keys[rows[fresh]]))
                return rows[:fresh], keys
            lowest = float(keys[rows[-1]])
            level = highest(keys, max(size, refreshed // 4), near=level)[1] if refreshed else min(level, lowest)
            wanted = np.flatnonzero(keys >= max(level, _LOWEST))
            bounds.refresh(wanted, ranked.scores.floor(level))
            keys[wanted] = ranked.keys(wanted)
            refreshed += len(wanted)

    def _expect(self, out: float) -> None:
        """Where the bound outside will lie next time, if it goes on falling at the same ratio, or step if not above 0.

        Only a guess of how many rows to refresh at once: too high costs another look, too low costs refreshes.
        """
        if out > 0 and np.isfinite(self._out) and self._out > 0:
            self._expected = out * min(1.0, out / self._out)
        elif np.isfinite(out) and np.isfinite(self._out):
            self._expected = out - max(0.0, self._out - out)
        else:
            self._expected = out
        self._out = out


def highest(keys: NDArray[np.float64], count: int, *, near: float = -np.inf) -> tuple[NDArray[np.int64], float]:
    """The rows of the `count` highest keys above −∞, highest first, and the next key (−∞ if there is none).

    `near` is a guess of a key a little lower: where enough keys reach it, only they are ranked.
    """
    among = np.flatnonzero(keys >= near) if near > -np.inf else np.arange(len(keys))
    if len(among) <= count:
        among = np.arange(len(keys))
    some = keys[among]
    if count < len(some):
        order = np.argpartition(some, len(some) - count - 1)
        top, out = among[order[len(some) - count :]], float(some[order[len(some) - count - 1]])
    else:
        top, out = among, -np.inf
    top = top[keys[top] > -np.inf]
    return top[np.argsort(-keys[top], kind="stable")], out
