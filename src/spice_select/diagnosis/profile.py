"""What a matrix of gradient features looks like: norms, spectrum, cosines."""

import math
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.conflict import PAIRS, QUANTILES, PairCosines, pair_cosines
from spice_select.numerics.entropy import entropy
from spice_select.numerics.features import read
from spice_select.numerics.tiles import tiles

_ENERGY = (1, 10, 100)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Norms, spectrum and cosines of n rows in d dimensions.

    `norm_quantiles` of ‖g‖ at `QUANTILES`; `log_norm_std` the standard deviation of log‖g‖ over non-zero rows (0 when
    all norms agree, 1 for norms lognormal(0, 1)); `zero_rows`. Of the eigenvalues λ of Σ g gᵀ, descending:
    `effective_rank` exp(entropy of λ/Σλ), `participation` (Σλ)²/Σλ², `energy` the share of Σλ in the first `_ENERGY`,
    `decay` the slope s of λ_j ∝ j^{−s} fitted by least squares to the logs of the first half of them;
    `direction_decay` the same for unit-norm rows, which a few large rows cannot dominate. `cosines` of pairs of rows.
    """

    n: int
    d: int
    zero_rows: int
    norm_quantiles: tuple[float, ...]
    mean_squared_norm: float
    log_norm_std: float
    effective_rank: float
    participation: float
    energy: tuple[float, ...]
    decay: float
    direction_decay: float
    cosines: PairCosines


def profile(features: object, *, pairs: int = PAIRS, seed: int = 0) -> Profile:
    """Describe `features` [n, d], float, numpy or torch, so that it can be placed beside other data.

    Raises InputError for features that cannot be used or with fewer than two rows that are not zero.
    Cost: 4nd² float64 flops (with min(n, d) for one d if n < d) and two eigendecompositions.
    """
    checked = read(features)
    matrix, squares = checked.array, checked.squares
    cosines = pair_cosines(checked, pairs=pairs, seed=seed)  # refuses all-zero features before anything is divided
    rows = checked.compacted
    spectrum = _spectrum(rows, np.ones(len(rows)))
    directions = _spectrum(rows, np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0))
    shares = spectrum / spectrum.sum()
    return Profile(
        n=matrix.shape[0],
        d=matrix.shape[1],
        zero_rows=int((squares == 0).sum()),
        norm_quantiles=tuple(float(q) for q in np.quantile(np.sqrt(squares), QUANTILES)),
        mean_squared_norm=float(squares.mean()),
        log_norm_std=float(np.log(squares[squares > 0]).std() / 2),
        effective_rank=math.exp(entropy(spectrum)),
        participation=float(1 / (shares**2).sum()),
        energy=tuple(float(shares[:count].sum()) for count in _ENERGY),
        decay=_slope(spectrum),
        direction_decay=_slope(directions),
        cosines=cosines,
    )


def _spectrum(matrix: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Eigenvalues of Σ w_i g_i g_iᵀ, descending, not below zero."""
    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    for start, tile in tiles(matrix):
        total += tile.T @ (tile * weights[start : start + len(tile), None])
    return np.maximum(np.linalg.eigvalsh((total + total.T) / 2)[::-1], 0.0)


def _slope(spectrum: np.ndarray) -> float:
    """S of λ_j ∝ j^{−s} over the first half of the spectrum; NaN with fewer than three values above rounding."""
    head = spectrum[: max(3, len(spectrum) // 2)]
    head = head[head > 1e-12 * spectrum[0]]
    if len(head) < 3:
        return float("nan")
    return float(-np.polyfit(np.log(np.arange(1, len(head) + 1)), np.log(head), 1)[0])
