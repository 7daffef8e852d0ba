"""The trainer's step: how nearly what the picks add up to points where the target's own gradients do."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix, Rows
from spice_select.numerics.given import plain_array
from spice_select.selection.objectives.base import (
    Scaled,
    labelled,
    require_positive,
    require_width,
    rows_of,
    target_matrix,
    task_labels,
)

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class MatchedStep(Scaled):
    """F(S) = cos(Σ_{x∈S} c_x x, t): of the step that a trainer takes on the picks with the one the target asks for.

    A trainer's loss is a mean over the tokens of a batch, so a row pushes with its gradient times its tokens: that is
    c_x x. Signed, and it knows the budget: a long row outweighs short ones. As many tokens as t asks for in a direction
    are enough, so copies are not picked for ever. It is greedy gradient matching with the weights that training gives
    (compare GradMatch, ICML 2021, which fits them). Neither monotone nor submodular; α has no part in it.

    Attributes:
        target: ``[m, d]``, made as the features are; its rows already times their tokens.
        tasks: a label for each of its rows; t is the sum of the tasks' sums, each of length one.
        scales: c ``[n]``, what makes a step of each row of the features; 1 for all if not given.

    Raises:
        InputError: `target` is no finite matrix, or zero for a whole task.
    """

    name: ClassVar[str] = "matched-step"
    summary: ClassVar[str] = "how nearly a trainer's step on it points where the target's own would (signed)"
    worth: ClassVar[str] = "how much nearer a step on the picks then points where the target's own would (cosine)"
    target: Any = field(repr=False)
    tasks: Sequence[str] | None = None
    alpha: float = 1.0
    scales: Any = field(default=None, repr=False)
    aimed: ClassVar[bool] = True
    signed: ClassVar[bool] = True
    monotone: ClassVar[bool] = False
    submodular: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_positive("alpha", self.alpha, "the scale of the information")
        target = target_matrix(self.target)
        object.__setattr__(self, "target", target)
        object.__setattr__(self, "tasks", task_labels(self.tasks, len(target)))

    def value(self, features: Any, indices: Sequence[int] | Rows) -> float:
        """From the definition; 0 where the steps cancel. O((k + m)d)."""
        if len(indices) == 0:
            return 0.0
        wanted = self._wanted(features)
        scales = self._scales(np.shape(features)[0])[np.asarray(indices)]
        step = (rows_of(features, indices) * scales[:, None]).sum(axis=0)
        size = float(np.linalg.norm(step))
        return float(step @ wanted) / size if size > 0 else 0.0

    def gains(self, features: Matrix, indices: Sequence[int] | Rows, candidates: Rows) -> NDArray[np.float64]:
        """The difference of two values, one after the other. O(|candidates|(k + m)d)."""
        return _less_rounding(super().gains(features, indices, candidates))

    def state(self, features: Matrix) -> "MatchedStepState":
        """O(n) memory beside the features; O(nd) per row added."""
        return MatchedStepState(features, self._scales(len(features)), self._wanted(features))

    def of_rows(self, rows: Rows) -> "MatchedStep":
        """With the scales of these rows."""
        return self if self.scales is None else replace(self, scales=plain_array(self.scales, "scales")[rows])

    def apart(self) -> NDArray[np.float64] | None:
        """The scales: a row of as many tokens again makes another step."""
        return None if self.scales is None else plain_array(self.scales, "scales")

    def _scales(self, rows: int) -> NDArray[np.float64]:
        if self.scales is None:
            return np.ones(rows)
        scales = np.asarray(self.scales, dtype=np.float64)
        if scales.shape != (rows,):
            raise InputError(f"scales of shape {scales.shape} for {rows} rows: give one number a row.")
        return scales

    def _wanted(self, features: Any) -> NDArray[np.float64]:
        """t, of length one."""
        require_width(self.target.shape[1], features)
        total = np.zeros(self.target.shape[1])
        for label, rows in labelled(self.tasks or ()).items():
            asked = self.target[rows].sum(axis=0)
            size = float(np.linalg.norm(asked))
            if size == 0:
                raise InputError(f"the gradients of the target's task {label!r} add up to zero: it asks for no step.")
            total += asked / size
        size = float(np.linalg.norm(total))
        if size == 0:
            raise InputError("the tasks of the target ask for opposite steps: no step serves them. Choose for each.")
        return total / size


class MatchedStepState:
    """The squared length of the step so far, its product with t, and each row's product with it."""

    def __init__(self, features: Matrix, scales: NDArray[np.float64], wanted: NDArray[np.float64]) -> None:
        self._G, self._scales = features, scales
        self._along = scales * (features @ wanted)
        self._squares = scales * scales * np.einsum("ij,ij->i", features, features)
        self._with = np.zeros(len(features))
        self._square, self._reached = 0.0, 0.0

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Δ of `rows`: O(|rows|)."""
        squares = self._square + 2 * self._with[rows] + self._squares[rows]
        sizes = np.sqrt(np.maximum(squares, 0.0))
        reached = self._reached + self._along[rows]
        after = np.divide(reached, sizes, out=np.zeros(len(rows)), where=sizes > 0)
        return _less_rounding(after - self._cosine)

    def add(self, row: int) -> None:
        """A product of the features with a row: O(nd)."""
        self._square += 2 * float(self._with[row]) + float(self._squares[row])
        self._reached += float(self._along[row])
        self._with += self._scales * (self._G @ (self._scales[row] * self._G[row]))

    @property
    def _cosine(self) -> float:
        return self._reached / float(np.sqrt(self._square)) if self._square > 0 else 0.0


def _less_rounding(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains of a cosine with those of rounding alone made zero, so that rows that change nothing tie."""
    return np.where(np.abs(gains) <= _ROUNDING, 0.0, gains)
