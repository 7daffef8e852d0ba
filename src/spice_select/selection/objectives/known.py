"""What is to be known, by tasks, in the coordinates that rows are seen in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spice_select.numerics.arrays import Matrix
from spice_select.selection.objectives.drop_worth import DropWorth
from spice_select.selection.objectives.span import Span


@dataclass(frozen=True, kw_only=True, eq=False)
class SoughtVariances:
    """Variances that picks are to lower, and what a drop in each is worth.

    Attributes:
        spreads: T_τ of each task, ``[r, r]``.
        worth: of a drop, with nothing picked.
        span: what rows are seen in; None where they count as they are.
    """

    spreads: Sequence[Matrix]
    worth: DropWorth
    span: Span | None = None

    def seen(self, rows: Matrix) -> Matrix:
        """Rows ``[n, d]`` as they count, ``[n, r]``."""
        return rows if self.span is None else self.span.seen(rows)


def of_pool_or_rows(T: Matrix) -> SoughtVariances:
    """One variance, whose drop counts as it is."""
    return SoughtVariances(spreads=[T], worth=DropWorth(np.ones(1)))
