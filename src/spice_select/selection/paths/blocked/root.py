"""An inverse root of I + αF_S in float64: L with LLᵀ = (I + αF_S)⁻¹, so that ‖xL‖² is what a row x still carries."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix
from spice_select.selection.objectives.base import information_root
from spice_select.selection.paths.blocked.products import product, subtract_product

PART = 64
_SQUARABLE = 1e3  # α·(total squared length) up to which a block's directions are found from its Gram matrix


class InverseRoot:
    """L = B₀ − PᵀD with one row of P and D for each recent pick; B₀ is I until a dense matrix is cheaper.

    A block of picks with whitened rows V multiplies L by (I + αVᵀV)^(−1/2) = I − Dᵀ diag(z) D. Gains are squared
    lengths of whitened rows, never differences, so a row loses eps·‖x‖·‖L‖ in √gain rather than eps·‖x‖² in the gain
    itself: large α‖g‖² costs half as many digits as updating (I + αF_S)⁻¹ would.
    """

    def __init__(self, d: int, alpha: float) -> None:
        self._d, self._alpha = d, alpha
        self._rank = 0
        self._P = np.empty((64, d))
        self._D = np.empty((64, d))
        self._base: Matrix | None = None
        self._anchor = 1.0

    @property
    def dense(self) -> Matrix | None:
        """L [d, d], or None while it is still kept as I − PᵀD."""
        if self._base is not None:
            self._fold()
        return self._base

    @property
    def whole(self) -> Matrix:
        """L [d, d], however it is kept. O(d²·min(t, d)) while it is not dense, t the picks so far."""
        dense = self.dense
        return self.whiten(np.eye(self._d)) if dense is None else dense

    @property
    def anchor(self) -> float:
        """The largest entry of L when it was last computed afresh: its rounding errors scale with it."""
        return self._anchor

    def restore(self, dense: Matrix, anchor: float) -> None:
        """Go on from an L [d, d] that was kept, and its anchor."""
        self._base, self._rank, self._anchor = dense.copy(), 0, anchor

    @property
    def noise(self) -> float:
        """Rounding error of ‖xL‖ relative to ‖x‖."""
        return 16 * float(np.finfo(np.float64).eps) * self._anchor

    def worn(self, reach: float) -> bool:
        """Whether L has shrunk so far below its rounding errors that rows of length `reach` need it computed afresh.

        Happens once α‖g‖² passes about 1e11 and the picks span the whole space.
        """
        noise = np.sqrt(self._alpha) * reach * self.noise
        if self._base is None or noise <= 1e-9 or self.dense is None:
            return False
        return float(np.abs(self._base).max()) < self._anchor / 10

    def rebuild(self, chosen: Matrix) -> None:
        """L from a fresh QR factorisation over all picks [t, d]: O((t + d)d²)."""
        dense = np.asarray(np.linalg.inv(information_root(chosen, self._alpha)), dtype=np.float64)
        self._base, self._rank, self._anchor = dense, 0, float(np.abs(dense).max())

    def whiten(self, X: Matrix) -> Matrix:
        """XL for rows X [p, d]: O(pd·min(t, d)), t the picks so far."""
        t, base = self._rank, self._base
        Y = X.copy() if base is None else product(X, base)
        if t:
            subtract_product(Y, product(X, self._P[:t].T), self._D[:t])
        return Y

    def absorb(self, V: Matrix, others: Matrix | None = None) -> Matrix:
        """Take in a block of picks given as whitened rows V [m, d]. O(md·min(t, d) + m²d), and O(pmd) for the others.

        Returns U [m, d] with LLᵀ − L'L'ᵀ = UᵀU: for any row x, ‖xL‖² falls by ‖xUᵀ‖². `others` [p, d], rows whitened
        by L, are whitened by L' in place. Works in parts of `PART` rows: their decompositions cost m·PART² instead of
        m³, and only the first parts hold the very long rows.
        """
        updates, rest = [], V
        while len(rest):
            directions, z, share = _shrinkage(rest[:PART], self._alpha)
            updates.append(self._multiply(directions, z) * share[:, None])
            rest = rest[PART:]
            rest = rest.copy()
            _shrink(rest, directions, z)
            if others is not None:
                _shrink(others, directions, z)
        return np.concatenate(updates)

    def _multiply(self, directions: Matrix, z: NDArray[np.float64]) -> Matrix:
        """L ← L(I − Dᵀ diag(z) D); returns (LDᵀ)ᵀ."""
        t, base = self._rank, self._base
        pulled = directions.copy() if base is None else product(directions, base.T)
        if t:
            subtract_product(pulled, product(directions, self._D[:t].T), self._P[:t])
        self._append(pulled * z[:, None], directions)
        return pulled

    def _append(self, P: Matrix, D: Matrix) -> None:
        t, end = self._rank, self._rank + len(P)
        while end > len(self._P):
            self._P = np.concatenate([self._P, np.empty_like(self._P)])
            self._D = np.concatenate([self._D, np.empty_like(self._D)])
        self._P[t:end], self._D[t:end], self._rank = P, D, end
        if self._base is None and 2 * end >= self._d:
            self._base = np.eye(self._d)
            self._fold()
            self._P, self._D = np.empty((2 * PART, self._d)), np.empty((2 * PART, self._d))
        elif self._base is not None and end >= PART:
            self._fold()

    def _fold(self) -> None:
        """B₀ ← B₀ − PᵀD."""
        if self._base is None or not self._rank:
            return
        subtract_product(self._base, self._P[: self._rank].T, self._D[: self._rank])
        self._rank = 0


def _shrink(rows: Matrix, directions: Matrix, z: NDArray[np.float64]) -> None:
    """Rows ← rows·(I − Dᵀ diag(z) D), in place."""
    subtract_product(rows, product(rows, directions.T) * z, directions)


def _shrinkage(V: Matrix, alpha: float) -> tuple[Matrix, NDArray[np.float64], NDArray[np.float64]]:
    """Orthogonal directions D of a block V [m, d], z = (1 − 1/√(1+αλ))/λ and √(α/(1+αλ)), λ their squared lengths.

    From VVᵀ where that is safe, else by SVD: squaring would lose the short directions of a block that also has very
    long ones.
    """
    gram = product(V, V.T)
    if alpha * float(gram.trace()) < _SQUARABLE:
        squares, left = np.linalg.eigh(gram)
        squares, directions = np.maximum(squares, 0.0), product(left.T, V)
    else:
        _, lengths, right = np.linalg.svd(V, full_matrices=False)
        squares, directions = lengths * lengths, right * lengths[:, None]
    root = np.sqrt(1.0 + alpha * squares)
    return directions, alpha / (root * (1.0 + root)), np.sqrt(alpha) / root
