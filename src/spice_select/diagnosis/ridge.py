"""What picks explain of a row: the ridge regression of its gradient on theirs."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Vector
from spice_select.numerics.features import Features
from spice_select.numerics.tiles import tiles
from spice_select.selection.objectives.base import information_root
from spice_select.selection.paths.blocked.root import InverseRoot

_AT_ONCE = 256  # picks that are taken in together: a factorisation of so many rows each


class Ridge:
    """The ridge regression of rows x on the picks G ``[k, d]`` with penalty 1/α.

    Its coefficients are a = (GGᵀ + I/α)⁻¹Gx = αGPx with P = (I + αGᵀG)⁻¹, one a pick (the dual form: Saunders,
    Gammerman and Vovk, ICML 1998), and it leaves xᵀPx of ‖x‖². The share explained is 1 − xᵀPx/‖x‖², and pick j's part
    of it a_j⟨g_j, x⟩/‖x‖²: these parts add up to it, for αxᵀPGᵀGx = xᵀP(P⁻¹ − I)x. A part is below 0 where a pick only
    corrects what others overshoot. A row equal to the one pick is explained to α‖x‖²/(1 + α‖x‖²), not to 1.

    Within the span of the picks where they are fewer than the numbers of a row, so nothing is lost by subtraction.

    Args:
        picks: float64 ``[k, d]``; none explain nothing.
        alpha: the scale α.

    Cost: O(dkr + r³), r = min(k, d); a row then costs O(dr), and O(kr) more for its parts.
    """

    def __init__(self, picks: Matrix, alpha: float) -> None:
        self._alpha = alpha
        self._basis = None if len(picks) >= picks.shape[1] else np.asarray(np.linalg.qr(picks.T).Q, np.float64)
        self._picks = picks if self._basis is None else picks @ self._basis
        self._inverse = np.asarray(np.linalg.inv(information_root(self._picks, alpha)), np.float64)

    def left(self, rows: Matrix) -> Vector:
        """xᵀPx of rows ``[m, d]``: what the picks leave of their squared lengths, float64 ``[m]``."""
        inside, outside = self._parted(rows)
        return self._squares_left(inside @ self._inverse, outside)

    def residuals(self, rows: Matrix) -> tuple[Matrix, Vector]:
        """Px of rows ``[m, d]``: what the regression leaves of them, float64 ``[m, d]``; and `left` of them."""
        inside, outside = self._parted(rows)
        whitened = inside @ self._inverse
        kept = whitened @ self._inverse.T
        rest = kept if self._basis is None or outside is None else outside + kept @ self._basis.T
        return rest, self._squares_left(whitened, outside)

    def parts(self, rows: Matrix) -> Matrix:
        """a_j⟨g_j, x⟩: each pick's part of ‖x‖² − xᵀPx, float64 ``[m, k]``."""
        inside, _ = self._parted(rows)
        coefficients = self._alpha * (inside @ self._inverse @ self._inverse.T) @ self._picks.T
        return np.asarray(coefficients * (inside @ self._picks.T), np.float64)

    def _parted(self, rows: Matrix) -> tuple[Matrix, Matrix | None]:
        """Rows as coordinates within the picks' span, and what of them lies outside; None where the span is all."""
        if self._basis is None:
            return rows, None
        inside = rows @ self._basis
        return inside, rows - inside @ self._basis.T

    @staticmethod
    def _squares_left(whitened: Matrix, outside: Matrix | None) -> Vector:
        within = np.einsum("ij,ij->i", whitened, whitened)
        return np.asarray(within if outside is None else within + np.einsum("ij,ij->i", outside, outside), np.float64)


def left_of(features: Features, ridge: Ridge) -> Vector:
    """`Ridge.left` of all rows, float64 ``[n]``, a tile of them at a time. O(ndr)."""
    return np.concatenate([ridge.left(tile) for _, tile in tiles(features.array)])


def share_explained(left: Vector, squares: Vector) -> Vector:
    """1 − xᵀPx/‖x‖² from the two; 0 of a row of zeros."""
    return 1.0 - np.divide(left, squares, out=np.ones_like(left), where=squares > 0)


def taken_in_order(picks: Matrix, aims: Matrix, alpha: float) -> NDArray[np.float64]:
    """What each pick takes off yᵀ(I + αF_S)⁻¹y of rows y, given the picks before it, float64 ``[k, m]``.

    With LLᵀ = I + αGGᵀ, picks in their order, row t of W = L⁻¹√αGYᵀ is what pick t adds: ‖W_y‖² = ‖y‖² − yᵀPy, and the
    first t rows of L and W are those of the first t picks. Block by block, each whitened by those before.

    Args:
        picks: float64 ``[k, d]``, in the order picked.
        aims: Y, float64 ``[m, d]``.
        alpha: the scale α.

    Cost: O((k + m)d·min(k, d)).
    """
    root, taken = InverseRoot(picks.shape[1], alpha), list[Matrix]()
    for start in range(0, len(picks), _AT_ONCE):
        block, wanted = root.whiten(picks[start : start + _AT_ONCE]), root.whiten(aims)
        lower = np.linalg.cholesky(np.eye(len(block)) + alpha * (block @ block.T))
        taken.append(np.square(np.linalg.solve(lower, np.sqrt(alpha) * (block @ wanted.T))))
        root.absorb(block)
    return np.concatenate(taken)
