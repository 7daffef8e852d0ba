"""What picks explain of rows that did not choose them: of the pool by its other half, of a target by its held-out rows.

All on a sample, at the share of it that is to be chosen of the pool.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spice_select.diagnosis.explained import Explained, shares_explained
from spice_select.methods.target import TargetSet
from spice_select.numerics.features import Features
from spice_select.selection import TargetInformation, TargetVariance, greedy

CHANCE_DRAWS = 20
"""Random draws that picks are held against."""
ALPHA = 1.0
"""α of the choices and of what is explained; explained shares of unit rows hardly change from 0.3 to 10."""
LEAST_PICKS = 10
"""A smaller share of the sample is rounded up to so many rows: of fewer, single rows decide."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Explaining:
    """What was explained of rows that did not choose.

    Attributes:
        pool: of one half of the sample, by picks from the other (`target-variance`).
        tasks: of the held-out rows of each task of the target, by picks for its other rows (`target-information`).
        likeness: task → what random rows explain of it, over what the same rows explain of the pool.
        picks: rows picked of the sample, for the target.
    """

    pool: Explained
    tasks: Sequence[Explained]
    likeness: Mapping[str, float]
    picks: int


def explaining(
    sample: Features, share: float, choosing: TargetSet | None = None, judging: TargetSet | None = None, *, seed: int
) -> Explaining:
    """Choose from the sample and see what the picks explain.

    Args:
        sample: ``[n, d]``, rows of length one.
        share: of the rows, to be chosen.
        choosing, judging: rows of the target that choose, and others that judge; None without one.
        seed: of halves and draws.

    Cost: two greedy runs over n rows, and 2·(`CHANCE_DRAWS` + 1) factorisations of the picks.
    """
    order = np.random.default_rng((seed, 6)).permutation(sample.n)
    half, other = sample.take(np.sort(order[::2])), sample.take(np.sort(order[1::2]))
    few = _picks(half.n, share)
    first = greedy(half.compacted, k=few, objective=TargetVariance(alpha=ALPHA))
    aims, labels = [other.dense], ["pool"] * other.n
    if judging is not None:
        aims, labels = [*aims, judging.matrix.dense], [*labels, *(f"target {task}" for task in judging.tasks)]
    how: dict[str, Any] = {"alpha": ALPHA, "draws": CHANCE_DRAWS, "seed": seed}
    pool, *beside = shares_explained(half, first, np.concatenate(aims), labels, **how)
    pool = replace(pool, task="")
    many = _picks(sample.n, share)
    if choosing is None or judging is None:
        return Explaining(pool=pool, tasks=(), likeness={}, picks=many)
    aim = TargetInformation(target=choosing.matrix.array, tasks=choosing.tasks, alpha=ALPHA)
    picks = greedy(sample, k=many, objective=aim)
    tasks = shares_explained(sample, picks, judging.matrix, judging.tasks, **how)
    likeness = {
        task.task: one.mean / pool.mean if pool.mean > 0 else 0.0 for task, one in zip(tasks, beside, strict=True)
    }
    return Explaining(pool=pool, tasks=tasks, likeness=likeness, picks=many)


def _picks(rows: int, share: float) -> int:
    return min(max(LEAST_PICKS, round(share * rows)), rows - 1)
