"""The penalty port: a number ≥ 0 subtracted from a row's gain, given the rows picked before.

Implementations: `Conflict`, `SquaredInnerProduct`. A new one subclasses `Penalty` and passes
`spice_select.testing.selection.check_penalty`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix, Rows
from spice_select.selection.objectives.base import is_number


class PenaltyState(Protocol):
    """The penalties of one growing set over one feature matrix."""

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """The unweighted penalty of each row of `rows`, given the set so far."""
        ...

    def add(self, row: int) -> None:
        """Put a row into the set."""
        ...


class Penalty(ABC):
    """A function of (row, set) that is never negative: that alone makes an unpenalised stale gain a bound on the score.

    Attributes:
        weight: λ ≥ 0; greedy maximises gain − weight × value.
    """

    weight: float

    @abstractmethod
    def values(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """The unweighted penalty of each candidate given the set, from the definition. 0 for the empty set."""

    @abstractmethod
    def state(self, features: Matrix) -> PenaltyState:
        """A state at the empty set over `features`, float64 [n, d]."""


def require_weight(weight: Any) -> float:
    """λ as a float; refuse one below 0, not finite or no number."""
    if not (is_number(weight) and np.isfinite(weight) and weight >= 0):
        raise InputError(
            f"weight={weight!r}: the penalty's weight λ must be a finite number, 0 or above, since a negative one "
            "would reward what it is to prevent. The paper uses 0.1."
        )
    return float(weight)


def require_nonnegative(values: NDArray[np.float64], rows: Rows, penalty: object) -> NDArray[np.float64]:
    """Refuse a penalty that returned a negative value or NaN, naming the row."""
    if values.size and not values.min() >= 0:
        at = int(np.argmax(~(values >= 0)))
        raise InputError(
            f"{type(penalty).__name__} gave {float(values[at])!r} for row {int(rows[at])}: a penalty must be 0 or "
            "above, otherwise stale gains no longer bound the scores. Clip it at 0, or add a constant."
        )
    return values
