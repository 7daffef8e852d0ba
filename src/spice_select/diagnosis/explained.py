"""How much of a target's gradients a choice explains, and whether it pulls their way, beside random choices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.ports import Subset, picked_rows
from spice_select.diagnosis.threads import fitting_threads
from spice_select.errors import InputError
from spice_select.numerics.features import Features, read
from spice_select.selection.objectives.base import labelled


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The share of a task's gradients that picks explain, and the cosine of their mean gradient with the task's.

    The share is blind to sign. The cosine is what a short step on the picks takes from the task's loss, as a share of
    what the steepest step of that length would: both are needed.

    Attributes:
        task: its name; ``""`` where the target is one.
        rows: rows of the task that it was measured on.
        share: 1 − Σ_y yᵀ(I + αF_S)⁻¹y / Σ_y ‖y‖² of the picks.
        cosine: of the sum of the picks' gradients with the sum of the task's.
        draws, cosine_draws: float64 ``[R]``, the same of R uniform draws of as many rows.
    """

    task: str
    rows: int
    share: float
    cosine: float
    draws: NDArray[np.float64]
    cosine_draws: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean of the draws."""
        return float(self.draws.mean())

    @property
    def std(self) -> float:
        """Their sample standard deviation (R−1)."""
        return float(self.draws.std(ddof=1))

    @property
    def ratio(self) -> float:
        """The share of the picks over that mean; infinite where random picks explain nothing and they something."""
        if self.mean > 0:
            return self.share / self.mean
        return math.inf if self.share > 0 else 1.0

    @property
    def z(self) -> float:
        """(share − mean)/std: how many standard deviations of a random draw apart; 0 where nothing lies between."""
        gap = self.share - self.mean
        if self.std > 0:
            return gap / self.std
        return math.copysign(math.inf, gap) if gap else 0.0


def shares_explained(
    features: object,
    selection: Subset,
    target: object,
    tasks: Sequence[str],
    *,
    alpha: float,
    draws: int = 10,
    seed: int = 0,
) -> list[Explained]:
    """The share of each task's gradients that the picks explain, and that random picks do.

    In all dimensions, whatever the choice was made by, so that choices of every method compare.

    Args:
        features: ``[n, d]``.
        selection: the picks: anything with their positions as `indices`.
        target: ``[m, d]``, made as the features are.
        tasks: a label for each row of the target, in whose order the result comes.
        alpha: the scale α.
        draws: random choices, two or more.
        seed: of the draws.

    Raises:
        InputError: fewer than two draws, or no positions among the rows.

    Cost: (draws + 1)·(2kd + ⅔q²)q float64 flops with q = min(k, d), and 2md·min(k, d) for the target.
    """
    if draws < 2:
        raise InputError(f"draws is {draws}; a spread needs 2 or more")
    pool, aims = read(features), read(target)
    picked = picked_rows(selection, pool.n)
    streams = (np.random.default_rng((seed, 3, draw)) for draw in range(draws))
    subsets = [picked, *(stream.choice(pool.n, len(picked), replace=False) for stream in streams)]
    groups = {task: np.array(rows) for task, rows in labelled(tasks).items()}
    with fitting_threads(min(pool.array.shape)):
        shares = [_shares(pool, rows, aims, groups, alpha) for rows in subsets]
        cosines = [_cosines(pool, rows, aims, groups) for rows in subsets]
    return [
        Explained(
            task=task,
            rows=len(rows),
            share=shares[0][task],
            cosine=cosines[0][task],
            draws=np.array([other[task] for other in shares[1:]]),
            cosine_draws=np.array([other[task] for other in cosines[1:]]),
        )
        for task, rows in groups.items()
    ]


def mean_explained(pools: Sequence[Sequence[Explained]]) -> list[Explained]:
    """The mean over pools, each at a state of its own, task by task; empty for none."""
    met = [pool for pool in pools if pool]
    return [
        Explained(
            task=tasks[0].task,
            rows=tasks[0].rows,
            share=float(np.mean([one.share for one in tasks])),
            cosine=float(np.mean([one.cosine for one in tasks])),
            draws=np.mean([one.draws for one in tasks], axis=0),
            cosine_draws=np.mean([one.cosine_draws for one in tasks], axis=0),
        )
        for tasks in zip(*met, strict=True)
    ]


def _shares(
    pool: Features, rows: NDArray[np.int64], target: Features, groups: Mapping[str, NDArray[np.int64]], alpha: float
) -> dict[str, float]:
    """αyᵀGᵀ(I + αGGᵀ)⁻¹Gy of the picks G [k, d], which is yᵀy − yᵀ(I + αGᵀG)⁻¹y, by the smaller of the two matrices."""
    picks, aims = pool.rows(rows), target.dense
    few = len(picks) <= pool.d
    products = picks @ picks.T if few else picks.T @ picks
    products *= alpha
    products[np.diag_indices_from(products)] += 1.0
    if few:
        reach = picks @ aims.T
        taken = alpha * np.einsum("ij,ij->j", reach, np.linalg.solve(products, reach))
    else:
        taken = target.squares - np.einsum("ij,ji->i", aims, np.linalg.solve(products, aims.T))
    return {
        task: float(taken[own].sum() / target.squares[own].sum()) if target.squares[own].any() else 0.0
        for task, own in groups.items()
    }


def _cosines(
    pool: Features, rows: NDArray[np.int64], target: Features, groups: Mapping[str, NDArray[np.int64]]
) -> dict[str, float]:
    """Of the sums of gradients; 0 where one of them vanishes."""
    pull = pool.rows(rows).sum(axis=0)
    found = {}
    for task, own in groups.items():
        aim = target.rows(own).sum(axis=0)
        size = float(np.linalg.norm(pull) * np.linalg.norm(aim))
        found[task] = float(pull @ aim) / size if size > 0 else 0.0
    return found
