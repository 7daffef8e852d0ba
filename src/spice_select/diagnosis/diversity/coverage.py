"""How evenly a choice is spread over the groups of its pool: sources, or clusters."""

import numpy as np

from spice_select.diagnosis.diversity.undefined import UndefinedNumberError
from spice_select.numerics.arrays import Rows
from spice_select.numerics.entropy import entropy


def group_coverage(groups: Rows, rows: Rows) -> float:
    """Entropy of the choice's groups over that of the pool's: 0 in one group, 1 as spread as the pool.

    Above 1 for a choice more even than the pool. A choice of few rows cannot reach many groups.

    Args:
        groups: ``[n]``, the number of each row's group, from 0.
        rows: ``[k]``, positions of the choice.

    Raises:
        UndefinedNumberError: the pool is one group.
    """
    whole = entropy(np.bincount(groups))
    if whole <= 0:
        raise UndefinedNumberError("the pool is one group: there is nothing to be spread over")
    return entropy(np.bincount(groups[rows])) / whole
