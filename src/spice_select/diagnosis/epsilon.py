"""What each pick carried alone, what it added, what interaction took away, and how far inner products explain it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.ports import Picks, alpha_of, picked_rows
from spice_select.errors import InputError
from spice_select.numerics.features import read
from spice_select.numerics.ranks import spearman
from spice_select.numerics.tiles import compact
from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.relaxation.factor import STEEP, inverse_of_lower

BLOCK = 256  # picks handled by one product, or d/4; the gains inside a block come from its conditional Gram matrix
SEARCHED = 512  # dimensions up to which ρ is found pick by pick while it is below 1: an eigendecomposition each
_REACH = 1e150  # α·‖g‖²·k is squared, which float64 holds up to 1e308
_COSINE_GUARD = 1e-8  # η of the paper's alignment, Definition 4


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """Every quantity is float64 [k], in pick order, computed afresh in float64 from the features.

    `bases` log(1+α‖g‖²); `gains` Δ given the picks before it in its pool; `cosines` with their mean (0 for the first
    pick of a pool); `inner` Σ = Σ_y (gᵀg_y)² over those picks; `radii` ρ = α‖F_S‖, or a bound above it where finding ρ
    itself would cost an eigendecomposition a pick. Bounds on |ε|, proven in docs/diagnosis.md for any ρ: `lower`
    log(1 + α²Σ/((1+ρ)(1+αn))), `upper` log(1 + α²Σ/(1+αn)), and the weaker `middle` α²Σ/(1+αq) and `loose`
    (1+ρ)α²Σ/(1+αn). `published` is the bound of the paper's Theorem 4, NaN where its assumption (a positive
    1−ρ−αG²ρ) does not hold. `firsts` bool: the first pick of each pool.
    """

    bases: np.ndarray
    gains: np.ndarray
    cosines: np.ndarray
    inner: np.ndarray
    radii: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    middle: np.ndarray
    loose: np.ndarray
    published: np.ndarray
    firsts: np.ndarray

    @property
    def epsilons(self) -> np.ndarray:
        """ε = Δ − base ≤ 0: what interaction with the picks before took away."""
        return self.gains - self.bases

    @property
    def conflicts(self) -> np.ndarray:
        """max(0, −cosine), the unweighted hinge."""
        return np.maximum(0.0, -self.cosines)

    @property
    def violations(self) -> int:
        """Picks at which |ε| leaves [lower, upper] or |ε| ≤ middle ≤ loose fails, rounding aside: 0 in theory."""
        size, slack = -self.epsilons, 1e-9 * (1 + self.bases)
        outside = (size < self.lower - slack) | (size > self.upper + slack) | (size > self.middle + slack)
        crossed = self.middle > self.loose * (1 + 1e-9) + slack
        return int((outside | crossed).sum())

    @property
    def published_applies(self) -> int:
        """Picks, firsts aside, at which the assumption of the paper's Theorem 4 holds."""
        return int((np.isfinite(self.published) & ~self.firsts).sum())

    @property
    def published_violations(self) -> int:
        """Picks at which the paper's own bound applies and |ε| exceeds it by more than rounding."""
        size = -self.epsilons[np.isfinite(self.published)]
        return int((size > self.published[np.isfinite(self.published)] + 1e-9 * (1 + size)).sum())

    @property
    def conflict_with_gain(self) -> float:
        """Spearman of conflict with Δ over all picks but the first of each pool (the paper reports −0.792)."""
        return spearman(self.conflicts[~self.firsts], self.gains[~self.firsts])

    @property
    def conflict_with_epsilon(self) -> float:
        """Spearman of conflict with |ε|, likewise (the paper reports +0.901)."""
        return spearman(self.conflicts[~self.firsts], -self.epsilons[~self.firsts])


def decompose(features: object, selection: Picks, objective: LogDet) -> Decomposition:
    """The ε-decomposition of a selection (SPICE, arXiv 2601.23155, Definitions 3 and 4, Theorem 4).

    Args:
        features: [n, d] float, numpy or torch.
        selection: `indices` in pick order and `pools`; the state starts empty in each pool.
        objective: log det, for its α.

    Raises:
        InputError: features or indices that cannot be used, an objective without a positive α, or α‖g‖² out of range.

    Cost: float64, about 6kd² flops for one pool of k picks and for every max(256, d/4) of them 3d³ more, most of it for
    eigenvalues; 20d³ where α times the squared lengths before them is above 10⁵. Memory k × d (the picked rows), d × d.
    """
    checked = read(features)
    matrix, largest = checked.array, float(checked.squares.max())
    picked, alpha = picked_rows(selection, len(matrix)), alpha_of(objective)
    if alpha * largest * len(picked) > _REACH:
        raise InputError(
            f"alpha={alpha:g} with gradients of up to {largest:.3g} in squared length: the bounds on ε square their "
            "product, which leaves the range of float64. Give a smaller alpha."
        )
    pools = np.asarray(selection.pools)
    columns = np.empty((7, len(picked)))
    firsts = np.zeros(len(picked), dtype=bool)
    for pool in np.unique(pools):
        places = np.flatnonzero(pools == pool)
        rows = compact(matrix[picked[places]].astype(np.float64))
        columns[:, places] = np.concatenate(list(_chain(rows, alpha)), axis=1)
        firsts[places[0]] = True
    bases, gains, forms, cosines, inner, radii, edges = columns
    lower, upper, middle, loose = _sides(alpha, bases, forms, inner, radii)
    return Decomposition(
        bases=bases,
        gains=gains,
        cosines=cosines,
        inner=inner,
        radii=radii,
        lower=lower,
        upper=upper,
        middle=middle,
        loose=loose,
        published=_published(alpha, bases, inner, radii, edges, largest),
        firsts=firsts,
    )


def _chain(rows: np.ndarray, alpha: float) -> Iterator[np.ndarray]:
    """Per block of picks: [7, b] of base, Δ, αq, cosine, Σ(gᵀg)², ρ (or a bound above), ρ (or a bound below)."""
    d = rows.shape[1]
    information, root, total, radius = np.zeros((d, d)), np.eye(d), np.zeros(d), 0.0
    size, mass = max(BLOCK, d // 4), 0.0
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        norms = np.einsum("ij,ij->i", block, block)
        mass += alpha * float(norms.sum())
        # log det of the leading minors of I + αX(I+αF)⁻¹Xᵀ grows by exactly the gains, pick by pick.
        given = np.sqrt(alpha) * block @ inverse_of_lower(root.T).T
        diagonal = np.abs(np.diag(np.linalg.qr(np.vstack([np.eye(len(block)), given.T]), mode="r")))
        gains = 2 * np.log(diagonal)
        inner = np.einsum("ij,ij->i", block @ information, block)
        inner += (np.tril(block @ block.T, -1) ** 2).sum(axis=1)
        before = total + np.vstack([np.zeros(d), np.cumsum(block, axis=0)[:-1]])
        cosines = _cosines(block, norms, before, start)
        after = information + block.T @ block
        end = alpha * float(np.linalg.eigvalsh(after)[-1])
        above, below = _radii(information, block, alpha, (radius, end))
        yield np.stack([np.log1p(alpha * norms), gains, diagonal**2 - 1, cosines, inner, above, below])
        if start + size < len(rows):
            root = _root(root, after, block, alpha, mass)
        information, total, radius = after, total + block.sum(axis=0), end


def _root(before: np.ndarray, information: np.ndarray, block: np.ndarray, alpha: float, mass: float) -> np.ndarray:
    """R with RᵀR = I+αF: by Cholesky, or from the R before the block by QR, which never squares the condition."""
    if mass > STEEP:
        return np.asarray(np.linalg.qr(np.vstack([before, np.sqrt(alpha) * block]), mode="r"))
    return np.asarray(np.linalg.cholesky(alpha * information + np.eye(len(information))).T)


def _cosines(block: np.ndarray, norms: np.ndarray, before: np.ndarray, start: int) -> np.ndarray:
    """Cosine of each row with the mean of all rows before it; 0 where there is none."""
    counts = np.maximum(start + np.arange(len(block)), 1)
    means = before / counts[:, None]
    lengths = np.sqrt(norms) * np.linalg.norm(means, axis=1)
    return np.einsum("ij,ij->i", block, means) / (lengths + _COSINE_GUARD)


def _radii(
    information: np.ndarray, block: np.ndarray, alpha: float, ends: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(above, below): ρ = α‖F_S‖ before each row, given `ends`, ρ before and after the block.

    Exact while it may still be below 1 and in few dimensions, else bracketed by the ends.
    """
    m, (start, end) = len(block), ends
    if start >= 1 or len(information) > SEARCHED:
        above, below = np.full(m, end), np.full(m, start)
        above[0] = start
        return above, below
    exact, running = np.empty(m), information.copy()
    for i in range(m):
        exact[i] = alpha * float(np.linalg.eigvalsh(running)[-1]) if i or start else 0.0
        if exact[i] >= 1:  # past the reach of the paper's theorem: from here a bracket will do
            above, below = exact.copy(), exact.copy()
            above[i:], below[i:] = end, exact[i]
            return above, below
        running += np.outer(block[i], block[i])
    return exact, exact.copy()


def _sides(
    alpha: float, bases: np.ndarray, forms: np.ndarray, inner: np.ndarray, radii: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(lower, upper, middle, loose): see `Decomposition`. No assumption on ρ."""
    scaled, alone = alpha * (alpha * inner), np.exp(bases)
    share = scaled / alone
    return np.log1p(share / (1 + radii)), np.log1p(share), scaled / (1 + forms), (1 + radii) * share


def _published(
    alpha: float, bases: np.ndarray, inner: np.ndarray, radii: np.ndarray, edges: np.ndarray, largest: float
) -> np.ndarray:
    """C·α²Σ/(1+αn) with C = 1/(1−ρ−αG²ρ), G the largest norm of the whole matrix; NaN where C is not positive."""
    room = 1 - radii - alpha * largest * radii
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = alpha * (alpha * inner) / np.exp(bases) / room
    return np.where((room > 0) & (edges < 1), bound, np.nan)
