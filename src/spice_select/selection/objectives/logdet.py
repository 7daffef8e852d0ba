"""Information: F(S) = log det(I + α Σ_{i∈S} g_i g_iᵀ), the log determinant of the empirical Fisher information."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import Scaled, information_root, require_positive, rows_of


@dataclass(frozen=True)
class LogDet(Scaled):
    """log det(I + αF_S) with F_S = Σ g gᵀ (a sum, not a mean): monotone and submodular.

    Δ_x(S) = log(1 + α g_xᵀ(I + αF_S)⁻¹g_x), by the matrix determinant lemma. Source: SPICE, arXiv 2601.23155, Eq. 4.

    Raises:
        InputError: `alpha` is not a finite number above 0.
    """

    name: ClassVar[str] = "log-det"
    summary: ClassVar[str] = "the paper's, in which every direction counts alike"
    worth: ClassVar[str] = "what it adds to the information of the picks (log det, in nats)"
    alpha: float = 1.0
    monotone: ClassVar[bool] = True
    submodular: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "alpha", require_positive("alpha", self.alpha, "the scale of the information in log det(I + αF)")
        )

    def value(self, features: Any, indices: Sequence[int] | Rows) -> float:
        """Log det(I + αF_S) = Σ log(1 + ασ²), σ the singular values of the rows. O(kd·min(k, d)).

        Not from F or a Gram matrix: squaring would lose the short directions beside long ones.
        """
        G = rows_of(features, indices)
        if len(G) == 0:
            return 0.0
        scale = float(np.abs(G).max()) or 1.0  # squares of features near the ends of the range must not overflow
        lengths = np.linalg.svd(G / scale, compute_uv=False)
        return float(np.log1p(self.alpha * (scale * lengths) ** 2).sum())

    def gains(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """log(1 + α‖R⁻ᵀg_x‖²), RᵀR = I + αF_S, with R from a QR factorisation of the stacked [√α G_S; I].

        The factorisation never forms F, so its condition number is not squared. O((k + d)d² + |candidates|·d²). Below
        k = d/2 the same within the span of the chosen rows: O(dk² + |candidates|·dk).
        """
        X, chosen = rows_of(features, candidates), rows_of(features, indices)
        outside = np.zeros(len(X))
        if 0 < 2 * len(chosen) < chosen.shape[1]:
            basis = np.asarray(np.linalg.qr(chosen.T).Q, dtype=np.float64)
            inside = X @ basis
            left = X - inside @ basis.T
            left -= (left @ basis) @ basis.T
            outside = np.einsum("ij,ij->i", left, left)
            X, chosen = inside, chosen @ basis
        if len(chosen) > 0:
            X = np.asarray(np.linalg.solve(information_root(chosen, self.alpha).T, X.T).T, dtype=np.float64)
        return np.log1p(self.alpha * (outside + np.einsum("ij,ij->i", X, X)))

    def state(self, features: Matrix) -> "LogDetState":
        """Whitened features: O(nd) memory and O(nd) per row added."""
        return LogDetState(features, self.alpha)


class LogDetState:
    """Features whitened by the set so far, V = G L⁻ᵀ with LLᵀ = I + αF_S, so that Δ_x = log(1 + α‖V_x‖²).

    Adding s maps every row by (I + αvvᵀ)^(−1/2), v = V_s: no gain is ever obtained by subtraction.
    """

    def __init__(self, features: Matrix, alpha: float) -> None:
        self._V = np.array(features, dtype=np.float64)
        self._alpha = alpha

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`: O(|rows|·d)."""
        V = self._V[rows]
        return np.log1p(self._alpha * np.einsum("ij,ij->i", V, V))

    def add(self, row: int) -> None:
        """Whiten every row by one more pick: O(nd)."""
        v = self._V[row].copy()
        root = np.sqrt(1.0 + self._alpha * (v @ v))
        shrink = self._alpha / (root * (1.0 + root))  # (1 − 1/root)/‖v‖² without cancellation for small ‖v‖
        self._V -= np.outer(self._V @ (shrink * v), v)
