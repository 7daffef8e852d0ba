"""What a leader that foresees its picks and its shards tell each other. Rows have their numbers among all rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.objectives.drop_worth import DropWorth
from spice_select.selection.objectives.known import SoughtVariances
from spice_select.selection.objectives.posterior import FreshRoot
from spice_select.selection.partitioned.messages import StoredRows


@dataclass(frozen=True, kw_only=True, eq=False)
class SoughtTerms:
    """A request.

    Attributes:
        sought: what is to be known.
        alpha: the scale α.
        prices: float64, what the shard's scores are divided by; None for 1.
        hidden: int64, the shard's rows that cannot be the next pick.
        root: where the picks so far have brought P; None for nowhere.
    """

    sought: SoughtVariances
    alpha: float
    prices: NDArray[np.float64] | None
    hidden: NDArray[np.int64]
    root: FreshRoot | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Past:
    """What came of the picks that were told ahead: so many were made; and P's root, where all is to be taken anew."""

    taken: int
    root: FreshRoot | None


@dataclass(frozen=True, kw_only=True, eq=False)
class StepAhead:
    """One pick ahead.

    Attributes:
        beta: β.
        worth: what a drop counts after it.
        hidden, shown: int64, the shard's rows that can no longer, and those that now can, be the next pick.
    """

    beta: float
    worth: DropWorth
    hidden: NDArray[np.int64]
    shown: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ahead:
    """Picks that are to be made, as far as the leader guesses: the first of them for certain.

    Attributes:
        vectors: see `Foresight`; ``[1 + q, count, r]``.
        steps: one for each.
        worth: what a drop counts before them.
        held: int64, the shard's rows that the leader holds.
        size: how many rows that lead to name, now and after these picks each.
    """

    vectors: NDArray[np.float64]
    steps: Sequence[StepAhead]
    worth: DropWorth
    held: NDArray[np.int64]
    size: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Climb:
    """The rows that may be the lowest among the best, whatever the best of all shards is: ascending, as their scores.

    Attributes:
        rows: int64.
        gains: Δ of each.
    """

    rows: NDArray[np.int64]
    gains: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Foretold:
    """One answer.

    Attributes:
        best: the shard's best rows now, and after each of the picks ahead.
        leading: int64, rows that lead now or would after the last of these: how many will be made is not known.
        new: numbers of the rows among all these that the leader does not hold, with `features`.
        evaluated: gains that were computed.
    """

    best: Sequence[Climb]
    leading: NDArray[np.int64]
    new: NDArray[np.int64]
    features: StoredRows
    evaluated: int
