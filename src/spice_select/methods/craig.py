"""CRAIG: rows that stand for the gradients of all others (Mirzasoleiman, Bilmes and Leskovec, ICML 2020)."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.matching import mean_errors
from spice_select.methods.stepwise import lazily, stepwise
from spice_select.numerics.arrays import Matrix, Vector
from spice_select.progress import Progress
from spice_select.selection.objectives.facility_location import FacilityState

_NEAR = 1e-12
"""A squared distance below this share of the longest row's square is rounding: the rows are equal."""
_ROWS = 1024


class Craig(Method):
    """Greedily what lowers Σ_i min_{j∈S} ‖g_i − g_j‖ over all rows i most: facility location with s = d_max − d.

    Gradients are of length one unless `--normalise none` is given; distances are not squared, as in the paper. The
    published method trains with the number of rows that each pick stands for; here it is written, and training counts
    all rows alike.
    """

    name: ClassVar[str] = "craig"
    summary: ClassVar[str] = "rows whose gradients stand for those of all others, by distance (CRAIG)"
    source: ClassVar[str] = "arXiv 1906.01827"
    reads: ClassVar[frozenset[str]] = frozenset({"alpha", "normalise"})

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. Cost: O(n²d) for the first pick, then lazy; see `FacilityState`.

        The choice knows for each pick how many rows it is nearest to (``weight``, its own among them; of equally near
        picks the earlier counts), and the ``error`` of the picks so far with equal weights; see `mean_errors`.
        """
        vectors = candidates.matrix.dense
        order = lazily(nearness(vectors), candidates.rows)
        choice = stepwise(order, candidates, allowance, path=self.name, progress=progress)
        columns = {"weight": cluster_sizes(vectors, choice.indices), "error": mean_errors(vectors, choice.indices)}
        return replace(choice, columns=columns)


def nearness(vectors: Matrix) -> FacilityState:
    """Facility location with s = D − d, where D is twice the longest row.

    D only shifts all gains of the first pick alike, so that any bound of the distances ranks as d_max does.
    """
    reach = 2.0 * float(np.linalg.norm(vectors, axis=1).max())
    return FacilityState(vectors, lambda some, others: reach - distances(some, others))


def distances(some: Matrix, others: Matrix) -> Matrix:
    """‖a − b‖ of every row a ``[m, d]`` with every b ``[n, d]``, ``[m, n]``; 0 where only rounding is left."""
    squares, own = (np.einsum("ij,ij->i", rows, rows) for rows in (others, some))
    found = some @ others.T
    found *= -2.0
    found += squares
    found += own[:, None]
    found[found <= _NEAR * squares.max(initial=0.0)] = 0.0
    return np.asarray(np.sqrt(found, out=found))


def cluster_sizes(vectors: Matrix, picks: NDArray[np.int64]) -> Vector:
    """How many rows each pick is nearest to, ``[k]``; of equally near picks the earlier. Cost: O(nkd)."""
    nearest = [
        distances(vectors[start : start + _ROWS], vectors[picks]).argmin(axis=1)
        for start in range(0, len(vectors), _ROWS)
    ]
    return np.bincount(np.concatenate(nearest), minlength=len(picks)).astype(np.float64)
