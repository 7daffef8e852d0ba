"""What a row of gradients is multiplied by to be the step that a trainer takes on it."""

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import GRADIENTS, Candidates
from spice_select.methods.target import TargetSet


def step_scales(rows: Candidates | TargetSet, *, summed: bool) -> NDArray[np.float64]:
    """C ``[n]``, so that c·x is the row's gradient summed over its supervised tokens, x its row of ``matrix``.

    A trainer minimises the mean over a batch's tokens, so that is what a row adds to the step, whatever scaling
    (`--normalise`, `--row-weight`) it is looked at under. With several checkpoints x is of each one's unit gradients,
    and c makes it as long as the sum.

    Args:
        rows: with gradients.
        summed: whether the gradients are sums over tokens already (``--loss sum``).
    """
    block, matrix = rows.features[GRADIENTS], rows.matrix
    lengths = np.linalg.norm(block.features.astype(np.float64), axis=1)
    pushes = lengths if summed else lengths * block.supervised
    return np.asarray(np.divide(pushes, np.sqrt(matrix.squares), out=np.zeros(len(pushes)), where=matrix.squares > 0))
