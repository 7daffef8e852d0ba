"""The smoothed loss of a row, LEAD's instance-level dynamic uncertainty (arXiv 2505.07437)."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

NEWEST_SHARE = 0.1
"""b: what the newest loss weighs."""


def smoothed(before: NDArray[np.float64], now: NDArray[np.float64], share: float = NEWEST_SHARE) -> NDArray[np.float64]:
    """S ← (1 − b)·S + b·loss, for rows whose loss has been seen again."""
    return (1 - share) * before + share * now


def best_share(now: float, before: float, cosine: float) -> float:
    """β*: the share at which the mixed gradient β·g + (1 − β)·h is shortest, which LEAD's theory asks of b.

    The minimum of β²δ + (1 − β)²δ' + 2β(1 − β)√(δδ')·cos φ. `Lead` keeps b fixed, as the published program does: β*
    would take gradients of single steps. 1 where every share does alike.

    Args:
        now, before: δ = ‖g‖² and δ' = ‖h‖², of this step and the one before.
        cosine: cos φ of g and h.
    """
    shared = sqrt(now * before) * cosine
    spread = now + before - 2 * shared
    return (before - shared) / spread if spread > 0 else 1.0
