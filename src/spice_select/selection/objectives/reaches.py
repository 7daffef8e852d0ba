"""What each row would take from variances: kept for all rows, lowered by picks, taken anew now and then."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.numerics.tiles import symmetric_forms, tile_products, tiles, times_upper
from spice_select.selection.objectives.drop_worth import DropWorth


class Reaches:
    """Each row's leverage xᵀPx and, for each task, reach xᵀPT_τPx; P = (I + αF_S)⁻¹.

    With p = Pg_s, β = α/(1 + αg_sᵀp) and w = PT_τp − ½β(pᵀT_τp)p a pick s takes βc² off the one and 2βce off the other,
    where c = xᵀp and e = xᵀw. These products are read for many picks at once.

    Args:
        features: ``[n, d]``, read as float64 some rows at a time.
        spreads: T_τ of each task, ``[d, d]``.
        alpha: the scale α.

    Attributes:
        leverage: float64 ``[n]``.
        reach: float64 ``[q, n]``. Both are replaced, never written into.
    """

    def __init__(self, features: Matrix, spreads: Sequence[Matrix], alpha: float) -> None:
        self._G, self._alpha = features, alpha
        self._products: NDArray[np.float64]
        n = len(features)
        self.leverage, self.reach = np.empty(n), np.empty((len(spreads), n))
        self._take_all(spreads)

    def gains(self, rows: Rows | slice, worth: DropWorth) -> NDArray[np.float64]:
        """Δ of some rows: O(|rows|q)."""
        return worth.of(self.leverage[rows], self.reach[:, rows], self._alpha)

    def read(self, vectors: NDArray[np.float64]) -> None:
        """Every row's products with the vectors of some picks, `Foresight.vectors`. 2(1 + q)·count·nd flops."""
        n, (kinds, count, d) = len(self._G), vectors.shape
        self._products = np.empty(0)  # those of before go before room is asked for
        self._products = np.empty((kinds, count, n))
        for start, found in self._in_tiles(vectors.reshape(kinds * count, d)):
            self._products[:, :, start : start + found.shape[1]] = found.reshape(kinds, count, -1)

    def _in_tiles(self, vectors: Matrix) -> Iterator[tuple[int, Matrix]]:
        """As `tile_products`."""
        return tile_products(self._G, vectors)

    def lower(self, at: int, beta: float) -> None:
        """By the pick at this place among those read: O(nq)."""
        c, e = self._products[0, at], self._products[1:, at]
        self.leverage = np.maximum(self.leverage - beta * c * c, 0.0)
        self.reach = np.maximum(self.reach - 2 * beta * c * e, 0.0)

    def take_anew(self, inverse: Matrix, spreads: Sequence[Matrix]) -> None:
        """From L, upper triangular with LLᵀ = P, and LᵀT_τL of each task: (1 + q)nd² flops."""
        self.leverage, self.reach = np.empty_like(self.leverage), np.empty_like(self.reach)
        self._take_all(spreads, inverse)

    def _take_all(self, spreads: Sequence[Matrix], inverse: Matrix | None = None) -> None:
        """Both of every row x, or of xL: written into what is there."""
        for start, tile in tiles(self._G):
            X, here = tile if inverse is None else times_upper(tile, inverse), slice(start, start + len(tile))
            self.leverage[here] = np.einsum("ij,ij->i", X, X)
            for reach, spread in zip(self.reach, spreads, strict=True):
                reach[here] = symmetric_forms(X, spread)
