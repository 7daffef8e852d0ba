"""What the diagnosis needs of a selection (a few attributes, whoever made it) and of an objective (its α)."""

from typing import Any, Protocol

import numpy as np

from spice_select.errors import InputError
from spice_select.selection.objectives.logdet import LogDet


class Subset(Protocol):
    """Any set of rows: `indices` int64 [k], rows of the feature matrix, in the order picked if there is one."""

    @property
    def indices(self) -> np.ndarray: ...


class Picks(Subset, Protocol):
    """A selection with its pools: `pools` int64 [k], the pool each pick was made in.

    The information state starts empty in each pool; a selection over everything at once has pool 0 only.
    """

    @property
    def pools(self) -> np.ndarray: ...


class RecordedPicks(Picks, Protocol):
    """A selection with what the selector itself recorded for each pick, float64 [k] each.

    `gains` Δ when picked; `bases` log(1+α‖g‖²); `conflicts` the unweighted hinge.
    """

    @property
    def gains(self) -> np.ndarray: ...
    @property
    def bases(self) -> np.ndarray: ...
    @property
    def conflicts(self) -> np.ndarray: ...


def alpha_of(objective: LogDet) -> float:
    """α of log det. Raises InputError for another objective: the bounds and the decomposition hold for no other."""
    if not isinstance(objective, LogDet):
        raise InputError(f"objective={objective!r}: the diagnosis knows log det(I + αF) only. Give LogDet(alpha=…).")
    return float(objective.alpha)


def picked_rows(selection: Any, rows: int) -> np.ndarray:
    """The selection's `indices` as int64 [k], each a different row in [0, rows). Raises InputError naming a fault."""
    if not hasattr(selection, "indices"):
        raise InputError(
            f"selection of type {type(selection).__name__}: it has no `indices`. Give what `greedy` returns, or any "
            "object with the row numbers under that name."
        )
    return distinct_rows(selection.indices, rows)


def distinct_rows(indices: Any, rows: int) -> np.ndarray:
    """Row numbers as int64 [k], each a different row in [0, rows). Raises InputError naming a fault."""
    picked = np.asarray(indices)
    if picked.ndim != 1 or not len(picked) or picked.dtype.kind not in "iu":
        raise InputError(
            f"the selection's indices have shape {picked.shape} and dtype {picked.dtype}; "
            "a non-empty list of row numbers is needed"
        )
    picked = picked.astype(np.int64)
    outside = (picked < 0) | (picked >= rows)
    if outside.any():
        raise InputError(
            f"the selection names row {int(picked[outside][0])}, but the features have rows 0 to {rows - 1}; "
            "were the two made from the same data?"
        )
    values, counts = np.unique(picked, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"the selection names row {int(values[counts > 1][0])} twice; a subset has each row once")
    return picked
