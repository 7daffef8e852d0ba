"""How gradients are scaled before their directions are compared."""

import numpy as np
from numpy.typing import NDArray


def normalised(
    matrix: NDArray[np.float32], rule: str, scales: NDArray[np.float64] | None = None
) -> NDArray[np.floating]:
    """The matrix as the selector sees it: as it is, or with rows of length one (zero rows stay zero); then scaled.

    `scales` ``[n]`` are the roots of the rows' weights (`ROW_WEIGHTS`); None for none. What is scaled is float64.

    Unit rows are float64: every row's first gain is then log(1 + α) to within the selector's tie, so the lowest row
    comes first. In float32 rounding would decide, and with it the batch that a row happened to be computed in.
    """
    if rule == "none":
        return matrix if scales is None else matrix * scales[:, None]
    rows = matrix.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]  # np.linalg.norm would square a copy of it all
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    if scales is not None:
        rows *= scales[:, None]
    return rows
