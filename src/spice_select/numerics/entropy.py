"""Shannon's entropy of weights that need not sum to one."""

import numpy as np
from numpy.typing import NDArray


def entropy(weights: NDArray[np.number]) -> float:
    """−Σ p log p in nats, p the weights over their sum; a weight of 0 adds nothing.

    Args:
        weights: ``[m]``, none below 0 and one above it.
    """
    shares = weights / weights.sum()
    positive = shares[shares > 0]
    return max(0.0, -float((positive * np.log(positive)).sum()))
