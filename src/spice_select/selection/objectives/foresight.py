"""The picks that are likely to follow in greedy on a variance, guessed among a few rows."""

from collections.abc import Sequence

import numpy as np

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.drop_worth import DropWorth

_STRIP = 128  # rows of P at a time: the cache holds what is taken off them
_TIE = 1e-12  # gains this near to the best are taken for ties, as where picks are decided


class Foresight:
    """Greedy on its own among a few rows X, from P = (I + αF_S)⁻¹ on, and the vectors that its picks need.

    Between XPXᵀ and XPT_τPXᵀ of the start all of it is algebra of small matrices. A pick s takes βccᵀ off the one and
    β(ceᵀ + ecᵀ) off the other, where c and h are their columns of then, β = α/(1 + αc_s) and e = h − ½βh_s c.

    Args:
        rows: the numbers of the rows X.
        X: float64 ``[m, d]``.
        P: symmetric, ``[d, d]``.
        spreads: T_τ of each task, likewise.
        alpha: the scale α.
        worth: what a drop counts at the start.
        given: the places among the rows of the first picks, which are known: one or more.
        count: how many picks, those given included; at most m.

    Attributes:
        rows: the rows guessed, in their order.
        vectors: p = P'g of each, P' that of then; then for each task w = P'T_τp − ½β(pᵀT_τp)p; ``[1 + q, count, d]``.
        betas: β of each.
        gains: what each is worth when it is picked.
        worths: what a drop counts after each.
        taken: how many have been picked since.

    Cost: 2(1 + q)md² + 2(1 + q)m²d flops, and O(count²·q(m + d)).
    """

    def __init__(
        self,
        rows: Rows,
        X: Matrix,
        P: Matrix,
        spreads: Sequence[Matrix],
        alpha: float,
        worth: DropWorth,
        *,
        given: Sequence[int],
        count: int,
    ) -> None:
        W = X @ P
        Z = np.stack([W @ T for T in spreads])
        A, H = W @ X.T, Z @ W.T
        leverage, reach = A.diagonal().copy(), H.diagonal(axis1=1, axis2=2).copy()
        C, E = np.empty((len(rows), count)), np.empty((len(spreads), len(rows), count))
        self.betas, halves, order = np.empty(count), np.empty((len(spreads), count)), list[int]()
        self.gains, self.worths = np.empty(count), list[DropWorth]()
        for j in range(count):
            gains = worth.of(leverage, reach, alpha)
            s = given[j] if j < len(given) else _best_beside(order, gains)
            self.gains[j] = gains[s]
            order.append(s)
            before, along = self.betas[:j] * C[s, :j], self.betas[:j] * E[:, s, :j]
            c = A[:, s] - C[:, :j] @ before
            h = H[:, :, s] - along @ C[:, :j].T - E[:, :, :j] @ before
            beta = self.betas[j] = alpha / (1.0 + alpha * c[s])
            halves[:, j] = 0.5 * beta * h[:, s]
            C[:, j], E[:, :, j] = c, h - halves[:, j, None] * c
            leverage -= beta * c * c
            reach -= 2 * beta * c * E[:, :, j]
            worth = worth.after(beta * h[:, s])
            self.worths.append(worth)
        self.rows, self.taken = rows[order], 0
        self.vectors = np.concatenate([W[None, order], Z[:, order] @ P])
        p, w = self.vectors[0], self.vectors[1:]
        for j, s in enumerate(order):
            before, along = self.betas[:j] * C[s, :j], self.betas[:j] * E[:, s, :j]
            p[j] -= before @ p[:j]
            w[:, j] -= along @ p[:j] + before @ w[:, :j] + halves[:, j, None] * p[j]

    def expects(self, row: int) -> bool:
        """Whether this is the next of the rows guessed."""
        return self.taken < len(self.rows) and self.rows[self.taken] == row

    def cut(self, count: int) -> None:
        """Guess no more than so many."""
        self.rows, self.vectors, self.betas = self.rows[:count], self.vectors[:, :count], self.betas[:count]

    def lower(self, P: Matrix) -> None:
        """Take off P, in place, what the rows taken take."""
        p = self.vectors[0, : self.taken]
        for start in range(0, len(P), _STRIP):
            part = slice(start, start + _STRIP)
            P[part] -= (self.betas[: self.taken, None] * p[:, part]).T @ p


def _best_beside(picked: Sequence[int], gains: np.ndarray) -> int:
    gains[picked] = -np.inf
    return int(np.argmax(gains >= (1.0 - _TIE) * gains.max()))
