"""How gradients are scaled before their directions are compared."""

import numpy as np
from numpy.typing import NDArray


def normalised(matrix: NDArray[np.float32], rule: str) -> NDArray[np.floating]:
    """The matrix as the selector sees it: as it is, or with rows of length one (zero rows stay zero).

    Unit rows are float64: every row's first gain is then log(1 + α) to within the selector's tie, so the lowest row
    comes first. In float32 rounding would decide, and with it the batch that a row happened to be computed in.
    """
    if rule == "none":
        return matrix
    rows = matrix.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]  # np.linalg.norm would square a copy of it all
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows
