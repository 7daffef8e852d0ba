"""P = (I + αF_S)⁻¹ as picks come, and what is guessed of those to come."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.numerics.cholesky import upper_root
from spice_select.selection.objectives.drop_worth import DropWorth
from spice_select.selection.objectives.foresight import Foresight
from spice_select.selection.relaxation.factor import inverse_of_lower

_REFRESH = 64  # picks between fresh sums at the least: running ones lose digits, the more the larger α‖g‖² is
_FALLEN = 1e-2  # of the first gain since then: below it what is left of the running sums has lost too many digits
_FIRST, _MOST = 8, 64  # picks to look ahead
_SHORTLIST = 256, 1024  # rows to guess among: more where there are more to a number
_PRODUCTS = 1 << 23, 1 << 24  # of rows with picks ahead, 1 + q each: 64 MB, and up to 128 where rows hold more numbers


class FreshRoot(NamedTuple):
    """L, upper triangular with LLᵀ = P, and LᵀT_τL of each task; ``[d, d]``."""

    inverse: Matrix
    spreads: list[Matrix]


class Posterior:
    """P, and what a drop in each task counts; a look ahead guesses the picks that follow, and decides nothing but time.

    Args:
        spreads: T_τ of each task, ``[d, d]``.
        alpha: the scale α.
        worth: what a drop counts at the start.

    Attributes:
        worth: what it counts now.
        foreseen: the picks guessed; None where nothing is.
    """

    def __init__(self, spreads: Sequence[Matrix], alpha: float, worth: DropWorth) -> None:
        self._spreads, self._alpha, self.worth = list(spreads), alpha, worth
        d = len(self._spreads[0])
        self._P = np.eye(d)
        self._root = np.eye(d)  # R, upper triangular, with RᵀR = I + αF_S when all was last taken anew
        self._since: list[NDArray[np.float64]] = []  # rows picked since
        self.foreseen: Foresight | None = None
        self._gains: list[float] = []  # of these picks: the first and the last
        self._ahead, self._refresh = _FIRST, max(_REFRESH, d)

    @property
    def due(self) -> bool:
        """Whether all should be taken anew: running sums lose digits, the more the further gains fall."""
        return self.left == 0 or (len(self._gains) == 2 and self._gains[1] < _FALLEN * self._gains[0])

    @property
    def left(self) -> int:
        """How many picks until then."""
        return self._refresh - len(self._since)

    def expects(self, row: int) -> bool:
        """Whether this is what was guessed to be next."""
        return self.foreseen is not None and self.foreseen.expects(row)

    def room(self, rows: int) -> int:
        """How many picks to look ahead, where there are so many rows in one place to read."""
        products = int(np.clip(rows * len(self._P) // 8, *_PRODUCTS))
        return max(1, min(self._ahead, self.left, products // ((1 + len(self._spreads)) * rows)))

    def look_ahead(self, rows: Rows, X: Matrix, *, given: Sequence[int], count: int) -> Foresight:
        """Guess what follows some picks that are given, among these rows; see `Foresight`, and `look_back` first."""
        self.foreseen = Foresight(
            rows, X, self._P, self._spreads, self._alpha, self.worth, given=given, count=min(count, len(rows))
        )
        return self.foreseen

    def take(self, row: NDArray[np.float64]) -> None:
        """The next of the picks guessed was made: `row` is what its gradient looks like, float64 ``[d]``."""
        foreseen = self.foreseen
        assert foreseen is not None, "nothing was guessed"
        self.worth = foreseen.worths[foreseen.taken]
        self._gains = [*self._gains[:1], float(foreseen.gains[foreseen.taken])]
        foreseen.taken += 1
        self._since.append(row)

    def look_back(self) -> None:
        """Bring P up to the picks. Next time look half as far again, or only as far as guesses were right."""
        if self.foreseen is not None:
            self.foreseen.lower(self._P)
            right = self.foreseen.taken
            more = max(self._ahead, right + right // 2 + 1) if right == len(self.foreseen.rows) else max(1, right)
            self.foreseen, self._ahead = None, min(more, _MOST)

    def take_anew(self) -> FreshRoot:
        """P from the rows picked: O((d + |since|)d² + qd³)."""
        self.look_back()
        self._root, self._since, self._gains = self._root_now(), [], []
        found = self.standing()
        self._P, self.worth = found.inverse @ found.inverse.T, self.worth.anew(found.spreads)
        return found

    def standing(self) -> FreshRoot:
        """Where P stands, from the rows picked; nothing changes."""
        inverse = inverse_of_lower(self._root_now().T).T
        return FreshRoot(inverse, [inverse.T @ T @ inverse for T in self._spreads])

    def _root_now(self) -> Matrix:
        if not self._since:
            return self._root
        rows, d = [*self._root, *self._since], len(self._root)
        longest = np.array([np.abs(row).max() for row in rows])
        longest[d:] *= np.sqrt(self._alpha)
        stacked = np.empty((len(rows), d), order="F")  # as LAPACK has it: no copy but this one
        for at, row in enumerate(np.argsort(-longest, kind="stable")):  # longest first: see `information_root`
            np.multiply(rows[row], 1.0 if row < d else np.sqrt(self._alpha), out=stacked[at])
        return upper_root(stacked)


def shortlist_size(n: int, d: int) -> int:
    """Among how many of n rows of d numbers the next picks are guessed."""
    return int(np.clip(8 * n // d, *_SHORTLIST))
