"""Log-determinant distance: how far a choice is from rows that point anywhere, 0 for such rows, less is more diverse.

Wang et al. 2024 (arXiv 2402.02318) define (log det L_ref − log det L_D)/N with a Gaussian kernel on unit gradients. The
kernel's scale and the reference are not in the text; what is taken for them here stands with each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from spice_select.diagnosis.diversity.directions import Directions
from spice_select.diagnosis.diversity.equal_draws import equal_draws
from spice_select.diagnosis.diversity.kernel import kernel_log_det, kernel_scale
from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix, Rows

LDD_ROWS = 1024
"""The most rows of a choice that a determinant is taken of."""
LDD_DRAWS = 5
"""Draws of as many rows, and of references."""


@dataclass(frozen=True, kw_only=True)
class LogDetDistance:
    """The distance of one choice, as the mean of `LDD_DRAWS` draws of its rows.

    Attributes:
        mean: over the draws; less is more diverse.
        sd: their sample standard deviation; 0 where every draw is the whole choice.
        gap: mean less that of the control, below 0 for a choice more diverse than it. The reference is in both and
            falls out. None without a control.
        rows: m, rows of a draw, the same for all choices that were measured together.
        gamma: the kernel's scale.
    """

    mean: float
    sd: float
    gap: float | None
    rows: int
    gamma: float


def log_det_distance(rows: Matrix, reference: float, gamma: float) -> float:
    """(reference − log det of the rows)/m.

    Args:
        rows: ``[m, d]``, of length one or zeros.
        reference: log det of as many rows that are as diverse as they come.
        gamma: the kernel's scale.
    """
    return (reference - kernel_log_det(rows, gamma)) / len(rows)


def log_det_distances(
    directions: Directions, choices: Mapping[str, Rows], *, control: str | None = "random", seed: int = 0
) -> dict[str, LogDetDistance]:
    """The distance of each of several choices of one pool: one scale, one reference and as many rows for all.

    The reference is the mean log det of m uniform random unit vectors. Its value moves every distance alike.

    Args:
        directions: the pool.
        choices: for each name its positions, one or more.
        control: the choice whose distance is taken off for the gap; None for no gaps.
        seed: of pairs, draws and references.

    Raises:
        UndefinedNumberError: the pool has no scale, or a choice no determinant; see `kernel_scale`, `kernel_log_det`.
        InputError: the control is not among the choices.

    Cost: 5·(2m²d + m³/3) flops a choice, m at most `LDD_ROWS`.
    """
    if control is not None and control not in choices:
        raise InputError(
            f"control={control!r} is not among the choices: {', '.join(sorted(choices))}. Name one, or None."
        )
    gamma = kernel_scale(directions, seed=seed)
    drawn = equal_draws(choices, most=LDD_ROWS, draws=LDD_DRAWS, seed=seed)
    m = len(next(iter(drawn.values()))[0])
    reference = random_log_det(m, directions.d, gamma, seed=seed)
    found = {name: _summary(directions, draws, reference, gamma) for name, draws in drawn.items()}
    if control is None:
        return found
    zero = found[control].mean
    return {name: replace(one, gap=one.mean - zero) for name, one in found.items()}


def random_log_det(m: int, d: int, gamma: float, *, seed: int = 0) -> float:
    """Mean log det over `LDD_DRAWS` draws of m uniform random unit vectors in d dimensions."""
    values = []
    for draw in range(LDD_DRAWS):
        rows = np.random.default_rng((seed, 9, draw)).standard_normal((m, d))
        values.append(kernel_log_det(rows / np.linalg.norm(rows, axis=1, keepdims=True), gamma))
    return float(np.mean(values))


def _summary(directions: Directions, draws: list[Rows], reference: float, gamma: float) -> LogDetDistance:
    values = [log_det_distance(directions.centred(rows), reference, gamma) for rows in draws]
    return LogDetDistance(
        mean=float(np.mean(values)), sd=float(np.std(values, ddof=1)), gap=None, rows=len(draws[0]), gamma=gamma
    )
