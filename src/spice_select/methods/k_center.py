"""k-center: rows that leave none far away (Gonzalez 1985; core sets of Sener and Savarese, ICLR 2018)."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.features.poolings import RESPONSE, STATES
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.points import first_best, unit_points
from spice_select.methods.stepwise import stepwise
from spice_select.numerics.distances import squared_distances
from spice_select.progress import Progress


class KCenter(Method):
    """The row nearest the mean of all, then always the row farthest from its nearest pick; equal ones by row number.

    By Euclidean distance of the responses' mean hidden states, of length one. The largest distance that is left is at
    most twice the least possible of as many rows. Outliers are taken early. Cost: O(knd), 8·n·d bytes.
    """

    name: ClassVar[str] = "k-center"
    summary: ClassVar[str] = "farthest from what is chosen, by hidden states of the response: no row is left far away"
    source: ClassVar[str] = "arXiv 1708.00489"
    no_pairs: ClassVar[str] = "it compares hidden states of single answers, and a pair has two"

    def needs(self) -> tuple[str, ...]:
        """Hidden states: a forward pass."""
        return (STATES,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``radius`` that each pick leaves."""
        points, radius = unit_points(candidates, RESPONSE), np.zeros(len(candidates))
        first = first_best(-squared_distances(points, points.mean(axis=0)[None])[:, 0], candidates.rows)
        order = farthest_first(points, first, candidates.rows, radius)
        return stepwise(order, candidates, allowance, path=self.name, progress=progress, known={"radius": radius})


def farthest_first(
    points: NDArray[np.float64], first: int, rows: NDArray[np.int64], radius: NDArray[np.float64]
) -> Iterator[int]:
    """Every position once: the first, then always the one whose nearest before it is farthest away.

    Args:
        points: ``[n, d]``.
        first: the first position.
        rows: their row numbers.
        radius: ``[n]``, filled in: the largest distance of a point to its nearest pick once this one is made.
    """
    pick, gaps = first, np.full(len(points), np.inf)
    for _ in range(len(points)):
        np.minimum(gaps, squared_distances(points, points[pick, None])[:, 0], out=gaps)
        gaps[pick] = -np.inf
        radius[pick] = np.sqrt(max(gaps.max(), 0.0))
        yield pick
        pick = first_best(gaps, rows)
