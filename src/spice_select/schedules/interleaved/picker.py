"""Who picks inside a pool: greedy by the criterion, and the controls that tell a good criterion from a good schedule.

A picker sees one pool's gradients and returns some of its rows in order. Every result is a `Selection` with the
gains, bases and conflicts of its picks, whoever made them, so that controls and criterion compare number by number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.selection import LogDet, Objective, Penalty, Selection, StoppingRule, greedy


class Picker(Protocol):
    """Picks rows of one pool."""

    def pick(self, matrix: NDArray[np.floating], norms: NDArray[np.float64], k: int, pool: int) -> Selection:
        """Pick at most k rows of a pool.

        Args:
            matrix: ``[m, d]``, the pool's gradients as the selector sees them.
            norms: ``[m]``, lengths of the gradients before sketch and normalisation.
            k: rows to pick, 1 … m.
            pool: number of the pool, for pickers that draw at random.

        Returns:
            Positions in the pool in the order picked, with their gains.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class GreedyPicker:
    """The paper's rule: greedy by marginal information less the penalty, from an empty state in every pool.

    Attributes:
        objective: the information.
        penalty: what is subtracted; None for none (λ = 0).
        stop: rules that may end a pool early (SPICE+).
    """

    objective: Objective = field(default_factory=LogDet)
    penalty: Penalty | None = None
    stop: Sequence[StoppingRule] = ()

    def pick(self, matrix: NDArray[np.floating], norms: NDArray[np.float64], k: int, pool: int) -> Selection:
        """See `Picker`. Cost: one greedy run, O(m·k·d)."""
        return greedy(matrix, k, objective=self.objective, penalty=self.penalty, stop=self.stop)


@dataclass(frozen=True, kw_only=True)
class RandomPicker:
    """The control nobody ran: rows drawn uniformly inside each pool, on the same schedule.

    Attributes:
        seed: of the draws; pool j draws from its own stream (seed, j), so a resumed run draws the same.
        objective: only to say what the picks were worth.
    """

    seed: int = 0
    objective: Objective = field(default_factory=LogDet)

    def pick(self, matrix: NDArray[np.floating], norms: NDArray[np.float64], k: int, pool: int) -> Selection:
        """See `Picker`."""
        order = np.random.default_rng((self.seed, pool)).choice(len(matrix), k, replace=False)
        return _in_order(matrix, order, self.objective)


@dataclass(frozen=True, kw_only=True)
class TopNormPicker:
    """The control that the authors' repository amounts to: the longest gradients of each pool.

    Attributes:
        objective: only to say what the picks were worth.
    """

    objective: Objective = field(default_factory=LogDet)

    def pick(self, matrix: NDArray[np.floating], norms: NDArray[np.float64], k: int, pool: int) -> Selection:
        """See `Picker`. Equal norms are taken in the order of the pool."""
        return _in_order(matrix, np.argsort(-norms, kind="stable")[:k], self.objective)


def _in_order(matrix: NDArray[np.floating], order: NDArray[np.int64], objective: Objective) -> Selection:
    """A given order as a `Selection`: greedy told to take these rows first and no others."""
    picked = greedy(matrix, len(order), objective=objective, initial=order)
    return replace(picked, penalties=np.zeros(len(order)), scores=picked.gains)
