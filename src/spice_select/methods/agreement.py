"""Rows that agree with a target: by the cosine of their gradient with the mean gradient of a task."""

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates
from spice_select.methods.budget import Allowance
from spice_select.methods.cosines import unit_cosines
from spice_select.methods.target import TargetSet


def disagreeing(candidates: Candidates, target: TargetSet, share: float, allowance: Allowance) -> list[int]:
    """Positions of the candidates that agree least with the target, ascending: all but a share of them.

    Information is blind to sign: a row that would raise the target's loss explains as much of its gradients as one that
    would lower it. A row counts by the task whose mean it agrees most with. More than the share stay where the budget
    needs more; of equals the lower rows.

    Args:
        candidates: with gradients.
        target: with gradients.
        share: of the candidates that stay, above 0; 1 for all.
        allowance: rows or tokens that must be left to choose from.

    Cost: O(ndq) for q tasks.
    """
    agreement = agreements(candidates.matrix.array, target).max(axis=1)
    order = np.lexsort((np.arange(len(candidates)), -agreement))
    stay = max(int(np.ceil(share * len(candidates))), allowance.rows or 0)
    if allowance.tokens is not None:
        stay = max(stay, 1 + int(np.searchsorted(np.cumsum(allowance.costs(candidates)[order]), allowance.tokens)))
    return np.sort(order[stay:]).tolist()


def agreements(rows: NDArray[np.floating], target: TargetSet) -> NDArray[np.float32]:
    """The cosine of every row ``[n, d]`` with the mean gradient of every task, float32 ``[n, q]``. O(ndq)."""
    means = np.stack([target.matrix.dense[own].mean(axis=0) for own in target.groups.values()])
    return unit_cosines(rows, means)
