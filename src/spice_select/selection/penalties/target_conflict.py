"""Conflict with a target: the hinge on the cosine with the mean gradient of its rows, beside that of the set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import require_positive, require_width, rows_of, target_matrix
from spice_select.selection.penalties.base import Penalty, require_weight
from spice_select.selection.penalties.conflict import ETA, Conflict, ConflictState, hinge


@dataclass(frozen=True, eq=False)
class TargetConflict(Penalty):
    """max(conflict(x|S), max(0, −cos(g_x, ḡ_T))), ḡ_T the mean gradient of the target; in [0, 1].

    A row may pull with the picks and yet against what they are for: the greater of the two counts. Information is
    blind to sign, so this is what a row is held back for that would raise the target's loss.

    Attributes:
        target: ``[m, d]``, made as the features are.

    Raises:
        InputError: `weight` is negative or not finite; `eta` is not above 0; `target` is no finite matrix.
    """

    target: Any = field(repr=False)
    weight: float = 0.1
    eta: float = ETA

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", require_weight(self.weight))
        object.__setattr__(self, "eta", require_positive("eta", self.eta, "the guard in the cosine's denominator"))
        target = target_matrix(self.target)
        object.__setattr__(self, "target", target)

    def values(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """From the definition. O((k + m + |candidates|)·d)."""
        with_set = Conflict(self.weight, self.eta).values(features, indices, candidates)
        return np.maximum(with_set, self._with_target(rows_of(features, candidates))) if len(indices) else with_set

    def state(self, features: Matrix) -> "TargetConflictState":
        """O(n + d) memory; O(d) per value."""
        return TargetConflictState(ConflictState(features, self.eta), self._with_target(features))

    def _with_target(self, X: Matrix) -> NDArray[np.float64]:
        require_width(self.target.shape[1], X)
        return hinge(X, np.sqrt(np.einsum("ij,ij->i", X, X)), self.target.mean(axis=0), self.eta)


class TargetConflictState:
    """The state of the set's conflict, and each row's conflict with the target, which does not change."""

    def __init__(self, with_set: ConflictState, with_target: NDArray[np.float64]) -> None:
        self._with_set, self._with_target, self._empty = with_set, with_target, True

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """The greater hinge of `rows`; 0 for the first pick."""
        with_set = self._with_set.values(rows)
        return with_set if self._empty else np.maximum(with_set, self._with_target[rows])

    def add(self, row: int) -> None:
        """O(d)."""
        self._with_set.add(row)
        self._empty = False
