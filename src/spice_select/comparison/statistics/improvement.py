"""How often one run beats another."""

from collections.abc import Sequence

import numpy as np


def probability_of_improvement(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The share of pairs of one of each in which `ours` is lower; a tie is half a win (Agarwal 2021)."""
    gaps = np.subtract.outer(np.asarray(theirs), np.asarray(ours))
    return float(np.mean((gaps > 0) + (gaps == 0) / 2))
