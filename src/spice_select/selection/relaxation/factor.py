"""B with BᵀB = (I+αF)⁻¹, how far from it rounding may have led, and gᵀBᵀBg for every row with its error.

Two ways to use a factor. Tangent bounds hold for *any* invertible B, so its own error does not matter to them. Bounds
that speak of the set itself need I+αF sandwiched: (1−η)(BᵀB)⁻¹ ⪯ I+αF ⪯ (1+η)(BᵀB)⁻¹, with η proven, not guessed.
All in float64; u = 2⁻⁵³, γ_m = mu/(1−mu) as in Higham, *Accuracy and Stability of Numerical Algorithms*, §3.
"""

from dataclasses import dataclass

import numpy as np

from spice_select.numerics.cholesky import lower_root
from spice_select.numerics.features import Features
from spice_select.numerics.rounding import UNIT64, gamma
from spice_select.numerics.tiles import gram, tiles

PANEL = 512  # components of Bg computed at once; what lies above B's diagonal is skipped in steps of this width
SMALL = 64  # a triangle of up to so many rows is inverted by elimination, a larger one by halves
_FINE = 1e-7  # of log det: what Cholesky may leave unproven of it before QR is taken
STEEP = 1e5  # of αΣ‖g‖²: above it a sum of g gᵀ has too few digits of its least eigenvalues left, in float32 none


@dataclass(frozen=True, kw_only=True)
class Factor:
    """B float64 [d, d], lower triangular, and η ≥ 0 (infinite where nothing can be proven)."""

    matrix: np.ndarray
    distortion: float

    @property
    def log_determinant(self) -> float:
        """−2 Σ log|B_ii|: log det (BᵀB)⁻¹, within d·log(1±η) of log det(I+αF)."""
        return float(-2 * np.log(np.abs(np.diag(self.matrix))).sum())

    def upper(self) -> float:
        """A proven upper bound on log det(I+αF)."""
        return self.log_determinant + len(self.matrix) * float(np.log1p(self.distortion))

    def lower(self) -> float:
        """A proven lower bound on log det(I+αF); 0 where η ≥ 1, since log det is never negative."""
        if self.distortion >= 1:
            return 0.0
        return max(0.0, self.log_determinant + len(self.matrix) * float(np.log1p(-self.distortion)))


@dataclass(frozen=True, kw_only=True)
class Forms:
    """α‖Bg‖² of each row, bracketed: `low` ≤ truth for this very B ≤ `high`, float64 [n] each."""

    low: np.ndarray
    high: np.ndarray


def factor_of(matrix: np.ndarray, rows: np.ndarray, alpha: float) -> Factor:
    """The factor of I + αΣ_{i∈rows} g_i g_iᵀ, by Householder QR of [I; √α G_rows] taken tile by tile.

    QR never squares the condition: η grows with √(1+ρ), so α‖g‖² of 1e12 is no trouble. Cost 2(k + d·tiles)d².
    """
    d = matrix.shape[1]
    triangle, steps, mass = np.eye(d), 0, float(d)
    for _, tile in tiles(matrix, rows, least=d):
        stacked = np.vstack([triangle, np.sqrt(alpha) * tile])
        mass += alpha * float(np.einsum("ij,ij->", tile, tile))
        steps += len(stacked) * d + 2
        triangle = np.asarray(np.linalg.qr(stacked, mode="r"))
    backward = gamma(steps, UNIT64) * np.sqrt(
        mass
    )  # ‖error‖_F of the stacked matrix, whose least singular value is ≥ 1
    return _inverted(triangle, floor=1 - backward, ceiling=1 + backward)


def factor_of_set(matrix: np.ndarray, rows: np.ndarray, alpha: float, norms: np.ndarray) -> Factor:
    """The same by Cholesky, kd² flops, where that leaves less than `_FINE` of log det in doubt; else by QR.

    `norms`: ‖g‖² of all rows of the matrix.
    """
    k, d = len(rows), matrix.shape[1]
    mass = alpha * float(norms[rows].sum())
    if mass < STEEP and d * _backward(k, d, mass) < _FINE * d * np.log1p(mass / d):  # the most that log det can be
        found = _by_cholesky(matrix, rows, alpha, mass)
        if found.log_determinant - found.lower() < _FINE * found.log_determinant:
            return found
    return factor_of(matrix, rows, alpha)


def factor_of_all(features: Features, alpha: float) -> Factor:
    """The factor of I + αΣ over all rows, compact, by Cholesky: nd² flops, once for each α; η grows with ρ itself."""
    if alpha not in features.kept:
        mass = alpha * float(features.squares.sum())
        features.kept[alpha] = _by_cholesky(features.compacted, None, alpha, mass)
    found: Factor = features.kept[alpha]
    return found


def _by_cholesky(matrix: np.ndarray, rows: np.ndarray | None, alpha: float, mass: float) -> Factor:
    """The factor for `rows`, or all, whose α‖g‖² add up to `mass`."""
    d = matrix.shape[1]
    backward = _backward(len(matrix) if rows is None else len(rows), d, mass)
    if backward >= 0.5:
        return Factor(matrix=np.eye(d), distortion=float("inf"))
    total = gram(matrix, rows)
    total *= alpha
    total[np.diag_indices_from(total)] += 1
    triangle = lower_root(total).T
    # |A − RᵀR| ≤ backward in norm and A ⪰ I, so (1−backward)A ⪯ RᵀR ⪯ (1+backward)A.
    return _inverted(triangle, floor=np.sqrt(1 - backward), ceiling=np.sqrt(1 + backward))


def _backward(count: int, d: int, mass: float) -> float:
    """‖A − RᵀR‖ at most: of a sum over `count` rows (‖|G|ᵀ|G|‖ ≤ its trace), and of its Cholesky factor."""
    return float(gamma(count + 3, UNIT64) * (np.sqrt(d) + mass) + 2 * gamma(d + 1, UNIT64) * (d + mass))


def _inverted(triangle: np.ndarray, *, floor: float, ceiling: float) -> Factor:
    """B = R⁻ᵀ, given floor²·A ⪯ RᵀR ⪯ ceiling²·A."""
    inverse = inverse_of_lower(triangle.T).T
    residual = _product_of_lower(inverse.T, triangle.T)
    residual[np.diag_indices_from(residual)] -= 1
    wrong = float(np.linalg.norm(residual)) + gamma(len(triangle) + 1, UNIT64) * float(
        np.linalg.norm(inverse) * np.linalg.norm(triangle)
    )
    if floor <= 0 or wrong >= 1:
        return Factor(matrix=inverse.T, distortion=float("inf"))
    above = ((1 + wrong) / floor) ** 2 - 1
    below = 1 - ((1 - wrong) / ceiling) ** 2
    return Factor(matrix=inverse.T, distortion=max(above, below, 4 * gamma(len(triangle), UNIT64)))


def inverse_of_lower(triangle: np.ndarray) -> np.ndarray:
    """The inverse of a lower triangle, by halves: d³/3 flops in products, where a general inverse takes 2d³."""
    out = np.zeros_like(triangle)
    _invert(triangle, out)
    return out


def _invert(triangle: np.ndarray, out: np.ndarray) -> None:
    half = len(triangle) // 2
    if len(triangle) <= SMALL:
        out[...] = np.linalg.inv(triangle.T).T  # of an upper one: elimination finds nothing to pivot
        return
    _invert(triangle[:half, :half], out[:half, :half])
    _invert(triangle[half:, half:], out[half:, half:])
    out[half:, :half] = -out[half:, half:] @ (triangle[half:, :half] @ out[:half, :half])


def _product_of_lower(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of two lower triangles, without the products with zero: 2d³/3 flops where d ≫ `PANEL`."""
    out = np.zeros(left.shape)
    for start in range(0, len(left), PANEL):
        stop = min(start + PANEL, len(left))
        out[start:stop, :stop] = left[start:stop, :stop] @ right[:stop, :stop]
    return out


def quadratic_forms(
    matrix: np.ndarray, inverse_root: np.ndarray, alpha: float, norms: np.ndarray, rows: np.ndarray | None = None
) -> Forms:
    """α‖Bg‖² for the rows of the matrix (or for `rows`), with the rounding of the product bracketed.

    `norms`: ‖g‖² of the same rows. Component j of Bg is off by at most γ_d|b_j||g|, hence the vector by
    γ_d‖B‖_F‖g‖. Cost 2nd² flops in float64, half of it where B is lower triangular and d ≫ 512, in tiles of rows;
    memory a tile and B.
    """
    m = len(norms)
    squares, panels = np.zeros(m), panels_of(inverse_root)
    for start, tile in tiles(matrix, rows):
        squares[start : start + len(tile)] = image_squares(tile, panels)
    d = matrix.shape[1]
    loose, relative = gamma(d + 2, UNIT64) * float(np.linalg.norm(inverse_root)), 4 * gamma(d + 4, UNIT64)
    roots, radius = np.sqrt(squares), loose * np.sqrt(norms)
    high = (roots + radius) ** 2 * (1 + relative)
    low = np.maximum(roots - radius, 0) ** 2 * (1 - relative)
    return Forms(low=alpha * low, high=alpha * high)


def panels_of(inverse_root: np.ndarray, width: int = PANEL) -> list[np.ndarray]:
    """B in panels of so many rows, each without the columns of zeros that end it."""
    panels = [inverse_root[i : i + width] for i in range(0, len(inverse_root), width)]
    return [panel[:, : int(np.flatnonzero(panel.any(axis=0))[-1]) + 1] for panel in panels if panel.any()]


def image_squares(rows: np.ndarray, panels: list[np.ndarray]) -> np.ndarray:
    """‖Bg‖² of each row, float64 [m], for B as `panels_of` cuts it; the products in the dtype of the rows."""
    squares = np.zeros(len(rows))
    for panel in panels:
        image = rows[:, : panel.shape[1]] @ panel.T
        squares += np.einsum("ij,ij->i", image, image)
    return squares
