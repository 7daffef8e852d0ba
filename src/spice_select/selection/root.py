"""An inverse root of I + αF_S in float64: L with LLᵀ = (I + αF_S)⁻¹, so that ‖xL‖² is what a row x still carries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
SQUARABLE = 1e3  # α·(longest squared length) up to which a block's directions are found from its Gram matrix


@dataclass(frozen=True, eq=False)
class Factor:
    """I − directionsᵀ diag(z) directions, the symmetric inverse root of I + αVᵀV for a block V [m, d]."""

    directions: Matrix
    z: NDArray[np.float64]

    def __rmatmul__(self, Y: Matrix) -> Matrix:
        """Y times the factor: O(|Y|·m)."""
        return Y - ((Y @ self.directions.T) * self.z) @ self.directions


class InverseRoot:
    """L as a product of one factor for each block of picks; a dense matrix once that is cheaper.

    Gains are squared lengths of whitened rows, never differences, so a row loses eps·‖x‖·‖L‖ in √gain rather than
    eps·‖x‖² in the gain itself: large α‖g‖² costs half as many digits as updating (I + αF_S)⁻¹ would.
    """

    def __init__(self, d: int, alpha: float) -> None:
        self._d, self._alpha = d, alpha
        self._factors: list[Factor] = []
        self._rank = 0
        self._dense: Matrix | None = None

    def whiten(self, X: Matrix) -> Matrix:
        """XL for rows X [p, d]: O(pd·min(t, d)), t the picks so far."""
        if self._dense is not None:
            return X @ self._dense
        for factor in self._factors:
            X = factor.__rmatmul__(X)
        return X

    def absorb(self, V: Matrix) -> tuple[Factor, Matrix]:
        """Take in a block of picks given as whitened rows V [m, d].

        Returns the block's factor, which carries rows already whitened over it, and U [m, d] with LLᵀ − L'L'ᵀ = UᵀU:
        ‖xL‖² falls by ‖xUᵀ‖² for any row x.
        """
        factor, share = shrinkage(V, self._alpha)
        pulled = self._pull(factor.directions)
        if self._dense is None:
            self._factors.append(factor)
            self._rank += len(V)
            if 2 * self._rank >= self._d:
                self._dense, self._factors = self.whiten(np.eye(self._d)), []
        else:
            self._dense -= (pulled.T * factor.z) @ factor.directions
        return factor, pulled * share[:, None]

    def _pull(self, directions: Matrix) -> Matrix:
        """(L·directionsᵀ)ᵀ."""
        if self._dense is not None:
            return directions @ self._dense.T
        for factor in reversed(self._factors):
            directions = factor.__rmatmul__(directions)
        return directions


def shrinkage(V: Matrix, alpha: float) -> tuple[Factor, NDArray[np.float64]]:
    """The factor of a block V [m, d], and √(α/(1+αλ)) of each direction, λ its squared length; z = (1 − 1/√(1+αλ))/λ.

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
    return Factor(directions, alpha / (root * (1.0 + root))), np.sqrt(alpha) / root
