"""How many rows two choices have in common."""

import numpy as np

from spice_select.numerics.arrays import Rows


def row_overlap(left: Rows, right: Rows) -> float:
    """Jaccard's index, |both|/|either|, of two choices of one pool: positions ``[k]`` and ``[m]``, none named twice."""
    both = len(np.intersect1d(left, right, assume_unique=True))
    return both / (len(left) + len(right) - both)
