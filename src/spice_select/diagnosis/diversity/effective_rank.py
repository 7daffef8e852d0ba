"""In how many dimensions a choice lies, a faint one counting for little."""

import math

import numpy as np

from spice_select.diagnosis.diversity.undefined import UndefinedNumberError
from spice_select.numerics.arrays import Matrix
from spice_select.numerics.entropy import entropy


def effective_rank(rows: Matrix) -> float:
    """Exp(entropy of λ/Σλ), λ the eigenvalues of Σ z zᵀ (Roy and Vetterli 2007): 1 … min(m, d).

    Compare it at equal m only.

    Args:
        rows: ``[m, d]``, centred directions.

    Raises:
        UndefinedNumberError: every row is zeros.

    Cost: 2md·min(m, d) flops and an eigendecomposition of min(m, d).
    """
    if not rows.any():
        raise UndefinedNumberError("no row of the choice has a direction about the pool's mean")
    products = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    return math.exp(entropy(np.maximum(np.linalg.eigvalsh(products), 0.0)))
