"""The picks that are likely to follow in greedy on a variance, guessed among a few rows."""

import numpy as np

from spice_select.numerics.arrays import Matrix, Rows

_TIE = 1e-12  # gains this near to the best are taken for ties, as where picks are decided


class Foresight:
    """Greedy on its own among a few rows X, from P = (I + αF_S)⁻¹ on, and the vectors that its picks need.

    Between XPXᵀ and XPTPXᵀ of the start all of it is algebra of small matrices. A pick s takes βccᵀ off the one and
    β(ceᵀ + ecᵀ) off the other, where c and h are their columns of then, β = α/(1 + αc_s) and e = h − ½βh_s c.

    Args:
        rows: the numbers of the rows X.
        X: float64 ``[m, d]``.
        P, T: symmetric, ``[d, d]``.
        alpha: the scale α.
        first: the place among the rows of the first pick, which is known.
        count: how many picks, the first included; at most m.

    Attributes:
        rows: the rows guessed, in their order.
        vectors: p = P'g of each, P' that of then; then w = P'Tp − ½β(pᵀTp)p of each; ``[2·count, d]``.
        taken: how many have been picked since.

    Cost: 4md² + 4m²d flops, and O(count²·(m + d)).
    """

    def __init__(self, rows: Rows, X: Matrix, P: Matrix, T: Matrix, alpha: float, *, first: int, count: int) -> None:
        W = X @ P
        Z = W @ T
        A, H = W @ X.T, Z @ W.T
        leverage, reach = A.diagonal().copy(), H.diagonal().copy()
        C, E = np.empty((len(rows), count)), np.empty((len(rows), count))
        betas, halves, order, s = np.empty(count), np.empty(count), list[int](), first
        for j in range(count):
            order.append(s)
            before, along = betas[:j] * C[s, :j], betas[:j] * E[s, :j]
            c = A[:, s] - C[:, :j] @ before
            h = H[:, s] - C[:, :j] @ along - E[:, :j] @ before
            betas[j] = alpha / (1.0 + alpha * c[s])
            halves[j] = 0.5 * betas[j] * h[s]
            C[:, j], E[:, j] = c, h - halves[j] * c
            leverage -= betas[j] * c * c
            reach -= 2 * betas[j] * c * E[:, j]
            gains = reach / (1.0 + alpha * leverage)
            gains[order] = -np.inf
            s = int(np.argmax(gains >= (1.0 - _TIE) * gains.max()))
        self.rows, self.taken, self._betas = rows[order], 0, np.empty(count)
        self.vectors = np.concatenate([W[order], Z[order] @ P])
        p, w = self.vectors[:count], self.vectors[count:]
        for j, s in enumerate(order):
            before, along = betas[:j] * C[s, :j], betas[:j] * E[s, :j]
            p[j] -= before @ p[:j]
            w[j] -= along @ p[:j] + before @ w[:j] + halves[j] * p[j]

    def expects(self, row: int) -> bool:
        """Whether this is the next of the rows guessed."""
        return self.taken < len(self.rows) and self.rows[self.taken] == row

    def take(self, beta: float) -> None:
        """The next of them was picked, with this β."""
        self._betas[self.taken] = beta
        self.taken += 1

    def fall(self) -> Matrix:
        """What the rows taken have taken off P, ``[d, d]``."""
        p = self.vectors[: self.taken]
        return np.asarray((self._betas[: self.taken, None] * p).T @ p)
