"""What a step on the picks is predicted to take from a target's loss, as GREATS has it (Wang et al., NeurIPS 2024)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import Objective, require_positive, require_width, rows_of, target_matrix


@dataclass(frozen=True, eq=False)
class PredictedDrop(Objective):
    """F(S) = η Σ_{x∈S} ⟨x, t⟩ − η² Σ_{x<y∈S} ⟨x, y⟩, with t the mean of the target's rows.

    The second-order drop of the target's loss in a step of rate η along every pick's gradient, with the identity for
    the Hessian and each pick's own square left out. A row's gain is η⟨x, t⟩ − η²⟨x, Σ_S y⟩: signed, and less for what
    points where the picks do. Neither monotone nor submodular.

    Attributes:
        target: ``[m, d]``, gradients of the rows that matter, as long as they come.
        rate: η, the learning rate of the step.

    Raises:
        InputError: `target` is no finite matrix; a rate that is not above 0.
    """

    target: Any = field(repr=False)
    rate: float = 1.0
    aimed: ClassVar[bool] = True
    signed: ClassVar[bool] = True
    monotone: ClassVar[bool] = False
    submodular: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_positive("rate", self.rate, "the learning rate of the step")
        object.__setattr__(self, "target", target_matrix(self.target))

    def value(self, features: Any, indices: Sequence[int] | Rows) -> float:
        """From the definition, pair by pair. O((k² + m)d)."""
        rows, wanted = rows_of(features, indices), self._wanted(features)
        pairs = np.triu(rows @ rows.T, 1).sum()
        return float(self.rate * (rows @ wanted).sum() - self.rate**2 * pairs)

    def gains(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """From the definition: the difference of two values would cancel."""
        rows, chosen = rows_of(features, candidates), rows_of(features, indices)
        return self.rate * (rows @ self._wanted(features)) - self.rate**2 * (rows @ chosen.T).sum(axis=1)

    def state(self, features: Matrix) -> "PredictedDropState":
        """O(n) memory beside the features; O(nd) per row added."""
        return PredictedDropState(features, self.rate * (features @ self._wanted(features)), self.rate**2)

    def _wanted(self, features: Any) -> NDArray[np.float64]:
        require_width(self.target.shape[1], features)
        return np.asarray(self.target.mean(axis=0))


class PredictedDropState:
    """The gain of every row, given the picks so far."""

    def __init__(self, features: Matrix, first: NDArray[np.float64], interaction: float) -> None:
        self._G, self._gains, self._interaction = features, first, interaction

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`: O(|rows|)."""
        return self._gains[rows]

    def add(self, row: int) -> None:
        """A product of the features with a row: O(nd)."""
        self._gains = self._gains - self._interaction * (self._G @ self._G[row])
