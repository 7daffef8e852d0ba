"""What the diagnosis needs of a selection (a few attributes, whoever made it) and of an objective (its α)."""

from typing import Protocol

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
