"""How alike two models see the same rows: their cosine matrices compared."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix
from spice_select.numerics.ranks import spearman


def cosines(features: NDArray[np.float32]) -> Matrix:
    """Cosines between all pairs of rows, float64 ``[n, n]``; a row of zeros has cosine 0 to every other, and itself.

    Args:
        features: ``[n, d]``.
    """
    rows = features.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit @ unit.T


def _off_diagonal(matrix: Matrix) -> NDArray[np.float64]:
    """The entries above the diagonal of ``[n, n]``, float64 ``[n(n−1)/2]``."""
    return matrix[np.triu_indices(len(matrix), 1)]


def cosine_correlation(left: Matrix, right: Matrix) -> float:
    """Spearman's ρ between the cosines of the same pairs in two models, ``[n, n]`` each; 0 is what chance gives."""
    return spearman(_off_diagonal(left), _off_diagonal(right))


def alignment(left: Matrix, right: Matrix) -> float:
    """Centred kernel alignment of two similarity matrices: 1 for the same structure, 0 in expectation for none.

    CKA (Kornblith et al. 2019, arXiv 1905.00414) with the unbiased estimate of HSIC (Song et al. 2012, JMLR 13, eq. 5)
    as Nguyen et al. (2021, arXiv 2010.15327) use it: the plain estimate is far above 0 for unrelated features as soon
    as they are more than the rows. NaN for fewer than 4 rows or a constant matrix.

    Args:
        left, right: symmetric ``[n, n]``.
    """
    if len(left) < 4:
        return float("nan")
    own = _hsic(left, left) * _hsic(right, right)
    return _hsic(left, right) / float(np.sqrt(own)) if own > 0 else float("nan")


def _hsic(left: Matrix, right: Matrix) -> float:
    """Unbiased HSIC; the diagonals do not count."""
    n = len(left)
    k, m = left - np.diag(np.diag(left)), right - np.diag(np.diag(right))
    by_row = k.sum(axis=1) @ m.sum(axis=1)
    total = float(np.sum(k * m)) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * by_row / (n - 2)
    return float(total) / (n * (n - 3))
