"""What each row would take from a variance, kept up to date by one reading of all rows for many picks."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.numerics.tiles import symmetric_forms, tiles
from spice_select.selection.objectives.base import rows_of
from spice_select.selection.objectives.foresight import Foresight

_REFRESH = 64  # picks between fresh sums at the least: running ones lose digits, the more the larger α‖g‖² is
_FIRST, _MOST = 8, 64  # picks to look ahead
_SHORTLIST = 256, 1024  # rows to guess among: more where there are more to a number
_PRODUCTS = 1 << 23  # of rows with picks ahead: two each, so 128 MB


class TargetVarianceState:
    """Each row's leverage xᵀPx and reach xᵀPTPx, P = (I + αF_S)⁻¹, lowered by each pick and taken anew now and then.

    With p = Pg_s, β = α/(1 + αg_sᵀp) and w = PTp − ½β(pᵀTp)p a pick s takes βc² and 2βce off, where c = xᵀp and e =
    xᵀw. That is a reading of all rows. So the next picks are guessed, and the rows read once for all of these: a pick
    that was guessed has its products there, at any other the rows are read again. A guess decides nothing but time.

    Args:
        features: G ``[n, d]``, read as float64 some rows at a time.
        T: Σ g_y g_yᵀ of what is to be known, ``[d, d]``.
        alpha: the scale α.
    """

    def __init__(self, features: Matrix, T: Matrix, alpha: float) -> None:
        self._G, self._T, self._alpha = features, T, alpha
        n, d = features.shape
        self._root = self._P = np.eye(d)  # R, upper triangular, with RᵀR = I + αF_S when all was last taken anew
        self._rows: list[int] = []  # picked since
        self._asked: Rows = np.arange(n)
        self._foreseen: Foresight | None = None
        self._products: NDArray[np.float64]
        self._ahead, self._refresh = _FIRST, max(_REFRESH, d)
        self._leverage, self._reach = np.empty(n), np.empty(n)
        for start, tile in tiles(features):
            self._leverage[start : start + len(tile)] = np.einsum("ij,ij->i", tile, tile)
            self._reach[start : start + len(tile)] = symmetric_forms(tile, T)

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`: O(|rows|)."""
        self._asked = rows
        return self._alpha * self._reach[rows] / (1.0 + self._alpha * self._leverage[rows])

    def add(self, row: int) -> None:
        """O(n) where the row was foreseen; else O((nd + d²)·picks looked ahead)."""
        foreseen = self._foreseen
        if foreseen is None or not foreseen.expects(row):
            foreseen = self._look_ahead(row)
        c, e = self._products[:, foreseen.taken]
        beta = self._alpha / (1.0 + self._alpha * c[row])
        self._leverage = np.maximum(self._leverage - beta * c * c, 0.0)
        self._reach = np.maximum(self._reach - 2 * beta * c * e, 0.0)
        foreseen.take(beta)
        self._rows.append(row)
        if len(self._rows) == self._refresh:
            self._take_anew()

    def _look_ahead(self, row: int) -> Foresight:
        """Guess what follows this pick, among the rows that were last asked for, and read all rows for it."""
        self._look_back()
        n, left = len(self._G), self._refresh - len(self._rows)
        count = max(1, min(self._ahead, left, _PRODUCTS // n, len(self._asked)))
        rows = np.union1d(self._leading(), [row])
        first = int(np.searchsorted(rows, row))
        found = Foresight(rows, rows_of(self._G, rows), self._P, self._T, self._alpha, first=first, count=count)
        self._products = np.empty((2, count, n))
        for start, tile in tiles(self._G):
            self._products[:, :, start : start + len(tile)] = (found.vectors @ tile.T).reshape(2, count, -1)
        self._foreseen = found
        return found

    def _look_back(self) -> None:
        """Bring P up to the picks. Next time look half as far again, or only as far as guesses were right."""
        if self._foreseen is not None:
            self._P = self._P - self._foreseen.fall()
            right = self._foreseen.taken
            more = max(self._ahead, right + right // 2 + 1) if right == len(self._foreseen.rows) else max(1, right)
            self._foreseen, self._ahead = None, min(more, _MOST)

    def _leading(self) -> Rows:
        """Those of the rows last asked for that have the most to gain."""
        n, d = self._G.shape
        count = int(np.clip(8 * n // d, *_SHORTLIST))
        if count >= len(self._asked):
            return self._asked
        return self._asked[np.argpartition(self.gains(self._asked), -count)[-count:]]

    def _take_anew(self) -> None:
        """P, and leverages and reaches of all rows, from the rows picked: O(nd² + d³)."""
        self._look_back()
        stacked = np.vstack([self._root, np.sqrt(self._alpha) * rows_of(self._G, self._rows)])
        order = np.argsort(-np.abs(stacked).max(axis=1), kind="stable")  # longest first: see `information_root`
        self._root, self._rows = np.asarray(np.linalg.qr(stacked[order], mode="r"), dtype=np.float64), []
        inverse = np.linalg.inv(self._root)
        self._P, spread = inverse @ inverse.T, inverse.T @ self._T @ inverse
        for start, tile in tiles(self._G):
            whitened = tile @ inverse
            self._leverage[start : start + len(tile)] = np.einsum("ij,ij->i", whitened, whitened)
            self._reach[start : start + len(tile)] = symmetric_forms(whitened, spread)
