"""NovelSelect: rows that are far from those chosen, a distance in a dense place counting more (Yang et al. 2025)."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.features.poolings import LAST, STATES
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.neighbours import neighbours_of
from spice_select.methods.points import first_best, unit_points
from spice_select.methods.stepwise import stepwise
from spice_select.progress import Progress

_NEIGHBOURS = 10
_SAME = 1e-9
"""Added to a mean squared distance, so that rows that are all alike have a density."""


class NovelSelect(Method):
    """A row drawn by the seed, then always the row of the largest Σ_r d₍r₎/r over its distances to those chosen.

    d = (√σ_x + √σ_j)(1 − cos) of the last token's hidden states, ordered by size, so that the nearest pick counts in
    full and the r-th nearest an r-th. σ is a row's density: one over the mean squared distance to its ten nearest
    others, states at their own length, copies counted once. This is the rule of the authors' program; the paper's text
    has the density of the chosen row alone, and ranks by plain distance. Equal rows by number. A copy of a pick is
    nearest to it by nothing, but is not ruled out where it is far from all others.

    Cost: O(n²d) for the densities, O(nk²) for the picks, and 8·n·k bytes: of 100 000 rows and a tenth of them 8 GB and
    hours. `--schedule pools` needs less.
    """

    name: ClassVar[str] = "novelselect"
    summary: ClassVar[str] = "far from those chosen, dense places enlarged, by hidden states of the last token"
    source: ClassVar[str] = "arXiv 2502.17184"
    no_pairs: ClassVar[str] = "it compares hidden states of single answers, and a pair has two"
    draws: ClassVar[bool] = True

    def needs(self) -> tuple[str, ...]:
        """Hidden states: a forward pass."""
        return (STATES,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`. The choice knows the ``novelty`` of each pick, 0 for the first."""
        first = np.argsort(candidates.rows)[np.random.default_rng(seed).integers(len(candidates))]
        roots, novelty = (
            np.sqrt(densities(LAST.vectors(candidates.features[STATES]), progress)),
            np.zeros(len(candidates)),
        )
        order = most_novel(unit_points(candidates, LAST), roots, int(first), candidates.rows, novelty)
        return stepwise(order, candidates, allowance, path=self.name, progress=progress, known={"novelty": novelty})


def densities(points: NDArray[np.float64], progress: Progress, neighbours: int = _NEIGHBOURS) -> NDArray[np.float64]:
    """σ ``[n]``: one over the mean squared distance to the nearest other points, copies counted once. O(n²d)."""
    different, place = np.unique(points, axis=0, return_inverse=True)
    count = min(neighbours + 1, len(different))
    _, squares = neighbours_of(different, different, count, progress, what="Densities")
    apart = squares[:, 1:].mean(axis=1, dtype=np.float64) if count > 1 else np.zeros(1)
    return (1 / (apart + _SAME))[place.ravel()]


def most_novel(
    points: NDArray[np.float64],
    roots: NDArray[np.float64],
    first: int,
    rows: NDArray[np.int64],
    novelty: NDArray[np.float64],
) -> Iterator[int]:
    """Every position once, the first as given.

    Each point's distances to the picks are kept in order of size: a new one rises through them.

    Args:
        points: ``[n, d]`` of length one.
        roots: ``[n]``, √σ.
        first: the first pick.
        rows: row numbers.
        novelty: ``[n]``, filled in: Σ_r d₍r₎/r over the number of picks, when a row was picked.
    """
    n, total = len(points), np.zeros(len(points))
    ladder, out = list[NDArray[np.float64]](), np.zeros(n, bool)
    for count in range(n):
        pick = first_best(np.where(out, -np.inf, total), rows) if count else first
        novelty[pick], out[pick] = total[pick] / max(count, 1), True
        yield pick
        apart = 1 - points @ points[pick]
        rising, total = (roots + roots[pick]) * np.where(apart > 1e-12, apart, 0.0), np.zeros(n)
        for rank, rung in enumerate(ladder, 1):
            nearer = np.minimum(rung, rising)
            np.maximum(rung, rising, out=rising)
            rung[:] = nearer
            total += nearer / rank
        ladder.append(rising)
        total += rising / len(ladder)
