"""The objective port: a set function known through its value and its marginal gains.

Implementations: `LogDet`, `DiagonalLogDet`, `TargetVariance`, `FacilityLocation`. A new one subclasses `Objective`
and passes `spice_select.testing.selection.check_objective`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix, Rows
from spice_select.numerics.divided import ReadByRows
from spice_select.numerics.features import squared_lengths
from spice_select.numerics.given import plain_array, plain_labels


class ObjectiveState(Protocol):
    """The marginal gains of one growing set over one feature matrix."""

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of each row of `rows`, given the set so far."""
        ...

    def add(self, row: int) -> None:
        """Put a row into the set."""
        ...


class Objective(ABC):
    """A set function F over the rows of a feature matrix, with F(∅) = 0.

    Attributes:
        monotone: adding a row never lowers F.
        submodular: a row's gain never grows as the set grows. Only then may greedy be lazy, and only then does the
            (1 − 1/e) guarantee hold. A wrong claim gives wrong picks; `check_objective` tries to refute it.
    """

    monotone: ClassVar[bool]
    submodular: ClassVar[bool]

    aimed: ClassVar[bool] = False
    """Whether it is made for the rows of a target: with ``target=`` and ``tasks=``."""
    signed: ClassVar[bool] = False
    """Whether it tells a row from one of the opposite gradient."""
    by_rows: ClassVar[bool] = False
    """Whether its state also takes features of another float type, or `ReadByRows`, and makes no float64 copy."""

    @abstractmethod
    def value(self, features: Any, indices: Sequence[int] | Rows) -> float:
        """F of the rows `indices` of `features` [n, d], from the definition."""

    def gains(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """Δ of each candidate given the set `indices`, from the definition: the oracle of the fast paths.

        Slow on purpose. Here the difference of two values; an objective overrides it where that difference
        would cancel.
        """
        chosen = [int(i) for i in indices]
        before = self.value(features, chosen)
        return np.array([self.value(features, [*chosen, int(x)]) - before for x in candidates])

    @abstractmethod
    def state(self, features: Matrix) -> ObjectiveState:
        """A state at the empty set over `features`, float64 [n, d]."""

    def of_rows(self, rows: Rows) -> "Objective":
        """The same objective over these rows of the features alone: itself, unless it holds something of each row."""
        return self

    def apart(self) -> NDArray[np.float64] | None:
        """What tells rows of equal features apart, ``[n]``; None where they are worth the same."""
        return None


class Scaled(Objective):
    """An objective of gradients with a scale α, as `--objective` offers them."""

    name: ClassVar[str]
    summary: ClassVar[str]
    worth: ClassVar[str]
    """What a gain is, in words."""
    alpha: float

    def __init__(self, **parts: Any) -> None: ...


def require_positive(name: str, value: Any, meaning: str) -> float:
    """The parameter as a float; refuse one that is not a finite number above 0."""
    if not (is_number(value) and np.isfinite(value) and value > 0):
        raise InputError(f"{name}={value!r}: {meaning} must be a finite number above 0. 1.0 is the usual choice.")
    return float(value)


def target_matrix(target: Any) -> Matrix:
    """A target as float64 ``[m, d]``; refuse what is no matrix of finite numbers, or has no row."""
    array = plain_array(target, "target")
    real = array.dtype.kind in "iufb"
    matrix = array.astype(np.float64, copy=False) if real else array
    if matrix.ndim != 2 or 0 in matrix.shape or not real or not np.isfinite(matrix).all():
        raise InputError(
            f"target of shape {array.shape} and dtype {array.dtype}: the target must be a matrix of finite numbers, "
            "one row for each sample to know about. Give features made with the same sketch as the pool's."
        )
    if not np.isfinite(squared_lengths(matrix)).all():
        raise InputError(
            f"target of shape {array.shape}: it has rows so long that their squared length is beyond float64. Scale "
            "the target and the features down alike."
        )
    return matrix


def task_labels(tasks: Sequence[str] | None, rows: int) -> list[Any]:
    """A label for each row of a target; "" for all where none are given."""
    labels = [""] * rows if tasks is None else plain_labels(tasks, "tasks")
    if len(labels) != rows:
        raise InputError(f"{len(labels)} tasks for {rows} rows of the target: give one label a row.")
    return labels


def labelled(labels: Sequence[str]) -> dict[str, list[int]]:
    """Label → positions that bear it, labels in the order they first stand in."""
    groups: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        groups.setdefault(label, []).append(place)
    return groups


def require_width(width: int, features: Any) -> None:
    """Refuse features that have not as many columns as a target's."""
    if np.shape(features)[1] != width:
        raise InputError(
            f"target with {width} columns, features with {np.shape(features)[1]}: both must come from the same sketch. "
            "Compute the target's features with the run's sketch and seed."
        )


def is_number(value: Any) -> bool:
    """Whether this is a real number, numpy's scalars included; truth values and text are not."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def rows_of(features: Any, indices: Sequence[int] | Rows) -> Matrix:
    """The rows `indices` of any array as float64 [k, d]."""
    matrix = features if isinstance(features, ReadByRows) else np.asarray(features)
    return np.asarray(matrix[np.asarray(indices, dtype=np.int64)], dtype=np.float64)


def information_root(chosen: Matrix, alpha: float) -> Matrix:
    """Upper triangular R [d, d] with RᵀR = I + α·chosenᵀchosen, the information of the rows chosen.

    Rows are stacked longest first: Householder QR is then accurate row by row even when the features are many
    orders of magnitude above the identity (Cox and Higham, 1998).
    """
    scaled = np.sqrt(alpha) * chosen
    order = np.argsort(-np.einsum("ij,ij->i", scaled, scaled), kind="stable")
    big = int((np.abs(scaled[order]).max(axis=1, initial=0) > 1).sum())
    stacked = np.vstack([scaled[order[:big]], np.eye(chosen.shape[1]), scaled[order[big:]]])
    return np.asarray(np.linalg.qr(stacked, mode="r"), dtype=np.float64)
