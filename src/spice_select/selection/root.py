"""An inverse root of I + αF_S in float64: L with LLᵀ = (I + αF_S)⁻¹, so that ‖xL‖² is what a row x still carries."""

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.objectives.logdet import LogDet

Matrix = NDArray[np.float64]
PART = 64
SQUARABLE = 1e3  # α·(total squared length) up to which a block's directions are found from its Gram matrix


class InverseRoot:
    """L = I − AᵀB with one row of A and B for each pick; a dense matrix once that is cheaper.

    A block of picks with whitened rows V multiplies L by (I + αVᵀV)^(−1/2) = I − Dᵀ diag(z) D. Gains are squared
    lengths of whitened rows, never differences, so a row loses eps·‖x‖·‖L‖ in √gain rather than eps·‖x‖² in the gain
    itself: large α‖g‖² costs half as many digits as updating (I + αF_S)⁻¹ would.
    """

    def __init__(self, d: int, alpha: float) -> None:
        self._d, self._alpha = d, alpha
        self._rank = 0
        self._A = np.empty((64, d))
        self._B = np.empty((64, d))
        self._dense: Matrix | None = None
        self._anchor = 1.0  # largest entry of L when it was last computed afresh: its rounding errors scale with it

    @property
    def dense(self) -> Matrix | None:
        """L [d, d], or None while it is still kept as I − AᵀB."""
        return self._dense

    @property
    def noise(self) -> float:
        """Rounding error of ‖xL‖ relative to ‖x‖."""
        return 16 * float(np.finfo(np.float64).eps) * self._anchor

    def worn(self, reach: float) -> bool:
        """Whether L has shrunk so far below its rounding errors that rows of length `reach` need it computed afresh.

        Happens once α‖g‖² passes about 1e11 and the picks span the whole space.
        """
        noise = np.sqrt(self._alpha) * reach * self.noise
        return self._dense is not None and noise > 1e-9 and float(np.abs(self._dense).max()) < self._anchor / 10

    def rebuild(self, chosen: Matrix) -> None:
        """L from a fresh QR factorisation over all picks [t, d]: O((t + d)d²)."""
        dense = np.asarray(np.linalg.inv(LogDet(self._alpha).root(chosen)), dtype=np.float64)
        self._dense, self._anchor = dense, float(np.abs(dense).max())

    def whiten(self, X: Matrix) -> Matrix:
        """XL for rows X [p, d]: O(pd·min(t, d)), t the picks so far."""
        if self._dense is not None:
            return X @ self._dense
        return X - (X @ self._A[: self._rank].T) @ self._B[: self._rank]

    def absorb(self, V: Matrix) -> Matrix:
        """Take in a block of picks given as whitened rows V [m, d]. O(md·min(t, d) + m²d).

        Returns U [m, d] with LLᵀ − L'L'ᵀ = UᵀU: for any row x, ‖xL‖² falls by ‖xUᵀ‖². Works in parts of `PART` rows:
        their decompositions cost m·PART² instead of m³, and only the first parts hold the very long rows.
        """
        updates, rest = [], V
        while len(rest):
            directions, z, share = shrinkage(rest[:PART], self._alpha)
            updates.append(self._multiply(directions, z) * share[:, None])
            rest = rest[PART:]
            rest = rest - ((rest @ directions.T) * z) @ directions
        return np.concatenate(updates)

    def _multiply(self, directions: Matrix, z: NDArray[np.float64]) -> Matrix:
        """L ← L(I − Dᵀ diag(z) D); returns (LDᵀ)ᵀ."""
        if self._dense is not None:
            pulled = directions @ self._dense.T
            self._dense -= (pulled.T * z) @ directions
        else:
            t = self._rank
            pulled = directions - (directions @ self._B[:t].T) @ self._A[:t]
            self._append(pulled * z[:, None], directions)
        return pulled

    def _append(self, A: Matrix, B: Matrix) -> None:
        t, end = self._rank, self._rank + len(A)
        while end > len(self._A):
            self._A = np.concatenate([self._A, np.empty_like(self._A)])
            self._B = np.concatenate([self._B, np.empty_like(self._B)])
        self._A[t:end], self._B[t:end], self._rank = A, B, end
        if 2 * end >= self._d:
            self._dense = np.eye(self._d) - self._A[:end].T @ self._B[:end]
            self._A = self._B = np.empty((0, self._d))


def shrinkage(V: Matrix, alpha: float) -> tuple[Matrix, NDArray[np.float64], NDArray[np.float64]]:
    """Orthogonal directions D of a block V [m, d], z = (1 − 1/√(1+αλ))/λ and √(α/(1+αλ)), λ their squared lengths.

    From VVᵀ where that is safe, else by SVD: squaring would lose the short directions of a block that also has very
    long ones.
    """
    gram = V @ V.T
    if alpha * float(gram.trace()) < SQUARABLE:
        squares, left = np.linalg.eigh(gram)
        squares, directions = np.maximum(squares, 0.0), left.T @ V
    else:
        _, lengths, right = np.linalg.svd(V, full_matrices=False)
        squares, directions = lengths * lengths, right * lengths[:, None]
    root = np.sqrt(1.0 + alpha * squares)
    return directions, alpha / (root * (1.0 + root)), np.sqrt(alpha) / root
