"""Cosines between candidates and directions of a target, the same for equal rows wherever they stand."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spice_select.features.normalise import normalised

_ROWS = 4096
"""Candidates that are in float64 at once."""


def unit_cosines(
    rows: NDArray[np.floating], directions: NDArray[np.floating], *, weights: Sequence[float] = (1.0,)
) -> NDArray[np.float32]:
    """The cosine of every row ``[n, d]`` with every direction ``[m, d]``, float32 ``[n, m]``; 0 for zero vectors.

    Of gradients at several checkpoints side by side it is Σ w_c cos_c, the mean of the cosines at each by its weight
    (`FeatureBlock.weights`). Computed in float64 and rounded: equal rows have equal cosines, so that row numbers decide
    between them and not the order in which a product was summed. Cost: O(n·m·d).
    """
    unit = normalised(np.asarray(directions), "unit", weights)
    found = np.empty((len(rows), len(unit)), np.float32)
    for start in range(0, len(rows), _ROWS):
        block = slice(start, start + _ROWS)
        found[block] = normalised(np.asarray(rows[block]), "unit", weights) @ unit.T
    return found
