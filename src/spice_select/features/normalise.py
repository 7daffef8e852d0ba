"""How gradients are scaled before their directions are compared."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.divided import DividedRows
from spice_select.numerics.features import squared_lengths


def normalised(
    matrix: NDArray[np.float32],
    rule: str,
    weights: Sequence[float] = (1.0,),
    scales: NDArray[np.float64] | None = None,
) -> NDArray[np.floating]:
    """The matrix as the selector sees it: as it is, or with rows of length one (zero rows stay zero); then scaled.

    A row that holds gradients at several checkpoints side by side holds √w_c g_c of each. As it is, the inner product
    of two rows is Σ w_c ⟨g_c, y_c⟩; with length one it is Σ w_c ⟨g_c, y_c⟩ / (‖g_c‖ ‖y_c‖), the weighted mean of the
    cosines, as LESS has it (arXiv 2402.04333, definition 3.1).

    Unit rows are float64: every row's first gain is then log(1 + α) to within the selector's tie, so the lowest row
    comes first. In float32 rounding would decide, and with it the batch that a row happened to be computed in.

    Args:
        matrix: ``[n, C·d]``.
        rule: ``unit`` or ``none``.
        weights: w_c of the C checkpoints; they sum to one. See `FeatureBlock.weights`.
        scales: ``[n]``, the roots of the rows' weights (`ROW_WEIGHTS`); None for none. What is scaled is float64.
    """
    if rule == "none":
        return matrix if scales is None else matrix * scales[:, None]
    rows = matrix.astype(np.float64)
    for block, weight in zip(np.split(rows, len(weights), axis=1), weights, strict=True):
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block))[:, None]  # np.linalg.norm would square a copy of it all
        np.divide(block, lengths / np.sqrt(weight), out=block, where=lengths > 0)
    if scales is not None:
        rows *= scales[:, None]
    return rows


def normalised_as_read(
    matrix: NDArray[np.float32],
    rule: str,
    weights: Sequence[float] = (1.0,),
    scales: NDArray[np.float64] | None = None,
) -> NDArray[np.floating] | DividedRows:
    """`normalised` to the bit, without a float64 copy of the matrix but for several checkpoints: see `DividedRows`."""
    if rule == "none" or len(weights) > 1 or not matrix.size:
        return normalised(matrix, rule, weights, scales)
    lengths = np.sqrt(squared_lengths(matrix)) / np.sqrt(weights[0])
    return DividedRows(matrix, np.where(lengths > 0, lengths, 1.0), scales)
