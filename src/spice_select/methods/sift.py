"""SIFT: rows that leave least doubt about a target's (Hübotter et al., ICLR 2025, arXiv 2410.08020)."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.features.poolings import STATES, WEIGHTED
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.points import first_best, unit_points
from spice_select.methods.stepwise import stepwise
from spice_select.progress import Progress

_NOISE = 0.01
"""λ, the variance of the noise of what a row tells."""


class Sift(Method):
    """Greedily the row that takes most from the posterior variance of the target's rows, summed over all of them.

    A linear kernel on position-weighted means of the last hidden states, as in RDS+, of length one; noise λ = 0.01.
    Each row is taken once (the authors' program may repeat rows). A task counts by its rows. A row's worth may grow as
    others are taken, so that every pick weighs every row anew. Equal ones by row number.

    Cost: O(knd + knm) for m rows of the target, 8·n·(d + m) bytes.
    """

    name: ClassVar[str] = "sift"
    summary: ClassVar[str] = "what leaves least doubt about the target's rows, by hidden states (SIFT)"
    source: ClassVar[str] = "arXiv 2410.08020"
    no_pairs: ClassVar[str] = "it chooses for a target, whose rows have one answer each"
    no_marks: ClassVar[str] = "it chooses for a target, whose answers are all to be learnt"
    takes_target: ClassVar[bool] = True
    requires_target: ClassVar[bool] = True

    def needs(self) -> tuple[str, ...]:
        """Hidden states: a forward pass."""
        return (STATES,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``variance`` that each pick takes away."""
        assert candidates.target is not None, "a run without a target is refused before"
        variance = np.zeros(len(candidates))
        aims = unit_points(candidates.target, WEIGHTED)
        order = least_doubt(unit_points(candidates, WEIGHTED), aims, candidates.rows, variance)
        return stepwise(order, candidates, allowance, path=self.name, progress=progress, known={"variance": variance})


def least_doubt(
    points: NDArray[np.float64], aims: NDArray[np.float64], rows: NDArray[np.int64], taken: NDArray[np.float64]
) -> Iterator[int]:
    """Every position once, by the largest drop of Σ over aims of the posterior variance.

    The posterior covariance of two points is pᵀAq: A, ``[d, d]``, is all that a pick changes.

    Args:
        points: ``[n, d]``.
        aims: ``[m, d]``.
        rows: row numbers of the points.
        taken: ``[n]``, filled in: the drop when each was picked.
    """
    metric = np.eye(points.shape[1])
    own, towards = np.einsum("ij,ij->i", points, points), points @ aims.T
    drops, out = np.empty(len(points)), np.zeros(len(points), bool)
    for _ in range(len(points)):
        drops = np.einsum("ij,ij->i", towards, towards) / (np.maximum(own, 0) + _NOISE)
        pick = first_best(np.where(out, -np.inf, drops), rows)
        taken[pick], out[pick] = drops[pick], True
        yield pick
        learnt = metric @ points[pick]
        learnt /= np.sqrt(points[pick] @ learnt + _NOISE)
        metric -= np.outer(learnt, learnt)
        shared = points @ learnt
        own -= shared**2
        towards -= np.outer(shared, aims @ learnt)
