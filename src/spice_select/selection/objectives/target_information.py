"""Information about a target: what the picks take from the uncertainty about its rows, its tasks kept in balance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import (
    Scaled,
    information_root,
    labelled,
    require_positive,
    require_width,
    rows_of,
    target_matrix,
    task_labels,
)
from spice_select.selection.objectives.ceilings import Ceilings
from spice_select.selection.objectives.drop_worth import DropWorth
from spice_select.selection.objectives.known import SoughtVariances
from spice_select.selection.objectives.span import Span

_REFRESH = 64  # picks between rebuilds at the least: the running sums lose digits


@dataclass(frozen=True, eq=False)
class TargetInformation(Scaled):
    """F(S) = ½ Σ_τ (1 − r_τ(S)²)/q over q tasks, r_τ = Σ_{y∈τ} yᵀPy / Σ_{y∈τ} ‖y‖², P = (I + αF_S)⁻¹.

    r_τ is the share of a task's gradients that the picks leave unexplained: 1 at the start. A pick counts by how much
    of it it takes, times what is left of the task, so the task worst served so far counts most. With one task the
    picks are those that minimise Σ yᵀ(I/α + F_S)⁻¹y (I-optimality; VTL in arXiv 2410.08020).

    Rows are seen in the span of the target, as `Span` has it. Monotone, but *not* submodular: two rows may only
    together pin down a direction; so nothing is certified, and greedy
    skips a candidate only where a bound on its gain shows that it cannot be the best (the path `shortlist`).

    Attributes:
        target: ``[m, d]``, made as the features are, with their sketch.
        tasks: a label for each row of the target; one task if not given.
        alpha: the scale α.

    Raises:
        InputError: `alpha` is not a finite number above 0; `target` is no finite matrix, or zero for a whole task.
    """

    name: ClassVar[str] = "target-information"
    summary: ClassVar[str] = "what it takes from the uncertainty about the rows of --target, its tasks in balance"
    worth: ClassVar[str] = "what it takes from the uncertainty about the target's rows, times what is left of each task"
    target: Any = field(repr=False)
    tasks: Sequence[str] | None = None
    alpha: float = 1.0
    aimed: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    submodular: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "alpha", require_positive("alpha", self.alpha, "the scale of the information in (I + αF)⁻¹")
        )
        target = target_matrix(self.target)
        object.__setattr__(self, "target", target)
        object.__setattr__(self, "tasks", task_labels(self.tasks, len(target)))
        for name, rows in labelled(self.tasks or ()).items():
            if not target[rows].any():
                raise InputError(
                    f"every gradient of the target's task {name!r} is zero: there is nothing to choose for."
                )

    def value(self, features: Any, indices: Sequence[int] | Rows) -> float:
        """From the definition. O(md·min(m, d) + k(d + m)m)."""
        if len(indices) == 0:
            return 0.0
        left = self.left(features, indices)
        return float(sum(1.0 - share * share for share in left.values())) / (2 * len(left))

    def left(self, features: Any, indices: Sequence[int] | Rows) -> dict[str, float]:
        """Task → r_τ, the share of its gradients that the rows `indices` leave unexplained, from the definition."""
        span = Span.of(self.target, self.alpha)
        inverse = np.linalg.inv(information_root(span.seen(rows_of(features, indices)), self.alpha))
        return {
            name: float(((task @ inverse) ** 2).sum() / (task * task).sum()) for name, task in self._seen(span).items()
        }

    def gains(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """Σ_τ (r_τδ_τ − ½δ_τ²)/q with δ_τ = α‖Y_τPx‖²/(1 + αxᵀPx)/‖Y_τ‖², from a fresh factorisation."""
        span = Span.of(self.target, self.alpha)
        inverse = np.linalg.inv(information_root(span.seen(rows_of(features, indices)), self.alpha))
        whitened = span.seen(rows_of(features, candidates)) @ inverse
        spread = 1.0 + self.alpha * np.einsum("ij,ij->i", whitened, whitened)
        tasks, total = self._seen(span), np.zeros(len(whitened))
        for task in tasks.values():
            aim, size = task @ inverse, float((task * task).sum())
            reach = whitened @ aim.T
            taken = self.alpha * np.einsum("ij,ij->i", reach, reach) / spread / size
            total += (float((aim * aim).sum()) / size - taken / 2) * taken
        return total / len(tasks)

    def state(self, features: Matrix) -> "TargetInformationState":
        """O(n(m + q)) memory; O(n(m + q)) per row added, once the features are seen in the span: O(ndm)."""
        sought = self.sought(features)
        return TargetInformationState(sought.seen(features), sought.spreads, self.alpha)

    def sought(self, features: Matrix) -> SoughtVariances:
        """The share of each task, in the span: slopes r_τ/q, which a pick lowers. O(md·min(m, d))."""
        require_width(self.target.shape[1], features)
        span = Span.of(self.target, self.alpha)
        spreads = [task.T @ task / (task * task).sum() for task in self._seen(span).values()]
        q = len(spreads)
        return SoughtVariances(spreads=spreads, worth=DropWorth(np.full(q, 1.0 / q), 0.5 / q), span=span)

    def ceilings(self, features: Matrix) -> Ceilings:
        """Bounds on the gains of all rows, at the empty set: O(ndm), and O(n) memory beside the rows in the span."""
        span = Span.of(self.target, self.alpha)
        return Ceilings(span.seen(features), list(self._seen(span).values()), self.alpha)

    def _seen(self, span: Span) -> dict[str, Matrix]:
        """Task → its rows in the span, where they lie whole."""
        return {name: self.target[rows] @ span.basis for name, rows in labelled(self.tasks or ()).items()}


class TargetInformationState:
    """Each row's xᵀPx, and for each task xᵀPT_τPx and r_τ, kept up to date by rank-one updates and rebuilt at times.

    With p = Pg_s, β = α/(1 + αg_sᵀp), c = Gp, h = GPTp: xᵀPx falls by βc², and xᵀPTPx by 2βch − β²c²·pᵀTp.

    Args:
        seen: the rows in the span of the target, float64 ``[n, r]``.
        spreads: T_τ for each task, ``[r, r]``.
        alpha: the scale α.

    Attributes:
        P: (I + αF_S)⁻¹ ``[r, r]``.
        turned: at least the largest eigenvalue of PTP − T, T = Σ_τ r_τT_τ/q as the tasks stand at the start.
        drawn: αΣ‖x‖² of the rows added, at least the largest eigenvalue of αF_S.
    """

    def __init__(self, seen: Matrix, spreads: Sequence[Matrix], alpha: float) -> None:
        self._G, self._T, self._alpha = seen, spreads, alpha
        self._rows: list[int] = []
        self.turned, self.drawn = 0.0, 0.0
        self._weights = np.array([T.trace() for T in spreads]) / len(spreads)
        self.P: Matrix
        self._leverage: NDArray[np.float64]
        self._reach: Matrix
        self._left: NDArray[np.float64]
        self._rebuild()

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`: O(|rows|q)."""
        spread = self._alpha / (1.0 + self._alpha * self._leverage[rows])
        taken = self._reach[:, rows] * spread
        return (self._left[:, None] * taken - taken * taken / 2).sum(axis=0) / len(self._T)

    def add(self, row: int) -> None:
        """A product of the seen features with q + 1 vectors: O(nm(q + 1))."""
        self._rows.append(row)
        p = self.P @ self._G[row]
        beta = self._alpha / (1.0 + self._alpha * (self._G[row] @ p))
        aims = np.stack([T @ p for T in self._T])
        pulled = aims @ self.P
        self._bound_turn(row, p, beta, aims, pulled)
        if len(self._rows) % max(_REFRESH, self._G.shape[1]) == 0:
            self._rebuild()
            return
        products = self._G @ np.vstack([p, pulled]).T
        c = products[:, 0]
        self._leverage = np.maximum(self._leverage - beta * c * c, 0.0)
        for number, aim in enumerate(aims):
            change = beta * c * (beta * float(p @ aim) * c - 2 * products[:, number + 1])
            self._reach[number] = np.maximum(self._reach[number] + change, 0.0)
            self._left[number] -= beta * float(p @ aim)
        self.P -= beta * np.outer(p, p)

    def add_together(self, rows: Rows) -> None:
        """Put many rows in at once: O((n + k)m²(q + 1)) whatever their number k. Of turns no account is kept."""
        self._rows += rows.tolist()
        self._rebuild()

    def _bound_turn(self, row: int, p: NDArray[np.float64], beta: float, aims: Matrix, pulled: Matrix) -> None:
        """PTP changes by −β(pwᵀ + wpᵀ), w = PTp − ½β(pᵀTp)p, whose largest eigenvalue is β(‖p‖‖w‖ − pᵀw)."""
        self.drawn += self._alpha * float(self._G[row] @ self._G[row])
        w = self._weights @ pulled - (0.5 * beta * float(self._weights @ (aims @ p))) * p
        self.turned += beta * max(0.0, math.sqrt(p @ p) * math.sqrt(w @ w) - float(p @ w))

    def _rebuild(self) -> None:
        inverse = np.linalg.inv(information_root(self._G[self._rows], self._alpha))
        self.P = inverse @ inverse.T
        whitened = self._G @ inverse
        self._leverage = np.einsum("ij,ij->i", whitened, whitened)
        around = [inverse.T @ T @ inverse for T in self._T]
        self._reach = np.stack([np.einsum("ij,ij->i", whitened @ one, whitened) for one in around])
        self._left = np.array([np.trace(one) for one in around])
