"""How much of a target's gradients a choice explains, beside random choices of as many rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.ports import Subset, picked_rows
from spice_select.diagnosis.threads import fitting_threads
from spice_select.errors import InputError
from spice_select.numerics.features import Features, read


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The share of a task's gradients that picks explain.

    Attributes:
        task: its name; ``""`` where the target is one.
        rows: rows of the task that it was measured on.
        share: 1 − Σ_y yᵀ(I + αF_S)⁻¹y / Σ_y ‖y‖² of the picks.
        draws: float64 ``[R]``, the same of R uniform draws of as many rows.
    """

    task: str
    rows: int
    share: float
    draws: NDArray[np.float64]

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


def explained(
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
        selection: the picks, or their positions.
        target: ``[m, d]``, made as the features are.
        tasks: a label for each row of the target, in whose order the result comes.
        alpha: the scale α.
        draws: random choices, two or more.
        seed: of the draws.

    Raises:
        InputError: fewer than two draws, or no positions among the rows.

    Cost: (draws + 1)·(kd·min(k, d) + md·min(k, d)) float64 flops, a few times.
    """
    if draws < 2:
        raise InputError(f"draws is {draws}; a spread needs 2 or more")
    pool, aims = read(features), read(target)
    picked = picked_rows(selection, pool.n)
    streams = (np.random.default_rng((seed, 3, draw)) for draw in range(draws))
    subsets = [picked, *(stream.choice(pool.n, len(picked), replace=False) for stream in streams)]
    groups = _groups(tasks)
    with fitting_threads(min(pool.array.shape)):
        shares = [_shares(pool, rows, aims, groups, alpha) for rows in subsets]
    return [
        Explained(
            task=task,
            rows=len(rows),
            share=shares[0][task],
            draws=np.array([other[task] for other in shares[1:]]),
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
            draws=np.mean([one.draws for one in tasks], axis=0),
        )
        for tasks in zip(*met, strict=True)
    ]


def _groups(tasks: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    labels = np.array(tasks, dtype=object)
    return {task: np.flatnonzero(labels == task) for task in dict.fromkeys(tasks)}


def _shares(
    pool: Features, rows: NDArray[np.int64], target: Features, groups: Mapping[str, NDArray[np.int64]], alpha: float
) -> dict[str, float]:
    """Along the axes v_j of the rows, of lengths s_j, αs_j²/(1 + αs_j²) of a target row's square is explained; outside
    their span (I + αF_S)⁻¹ is the identity, so nothing is.
    """
    _, lengths, axes = np.linalg.svd(pool.rows(rows), full_matrices=False)
    taken = -np.expm1(-np.log1p(alpha * lengths**2))
    along = (target.dense @ axes.T) ** 2 @ taken
    return {
        task: float(along[own].sum() / target.squares[own].sum()) if target.squares[own].any() else 0.0
        for task, own in groups.items()
    }
