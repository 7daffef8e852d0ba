"""TSDS: rows that carry a target's mass by optimal transport, thinned where they crowd (Liu et al., NeurIPS 2024)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.features.poolings import STATES, WEIGHTED
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.neighbours import neighbours_of
from spice_select.methods.points import centred, unit_points
from spice_select.methods.ranked import best_ranked
from spice_select.numerics.distances import squared_distances
from spice_select.numerics.tiles import tile_rows
from spice_select.progress import Progress

ALPHA, SCALE, BANDWIDTH = 0.5, 5.0, 0.75
"""α, how far the target's mass is spread; C and σ of the authors' program."""
_NEIGHBOURS, _CROWD = 5000, 1000
"""The most candidates that a row of the target looks at, and that a density is a sum over."""


class Tsds(Method):
    """Rows drawn without replacement by the mass that the target's rows give their nearest candidates.

    Near by Euclidean distance of position-weighted means of the last hidden states, as in RDS+, less the candidates'
    mean and of length one: as they come, states of language models are all near each other, and densities say nothing.
    Each row of the target gives its neighbours mass in inverse proportion to their density, as far out as the
    distances do not outweigh the spread (`transported`); a task counts by its rows. Draws are the largest of log mass
    plus Gumbel noise, so a smaller budget is the beginning of a larger one (the authors' program draws with
    replacement). Once no row with mass is left, the nearest to any row of the target follow; a run says how many.

    Cost: O(nmd) for the neighbours of m rows of the target, and O(p²d) for the densities of the p ≤ min(n, 5000·m)
    candidates that any of them looks at, in blocks.
    """

    name: ClassVar[str] = "tsds"
    summary: ClassVar[str] = "drawn by the mass that the target's rows give their neighbours, crowds counted once"
    source: ClassVar[str] = "arXiv 2410.11303"
    no_pairs: ClassVar[str] = "it chooses for a target, whose rows have one answer each"
    no_marks: ClassVar[str] = "it chooses for a target, whose answers are all to be learnt"
    draws: ClassVar[bool] = True
    takes_target: ClassVar[bool] = True
    requires_target: ClassVar[bool] = True

    def needs(self) -> tuple[str, ...]:
        """Hidden states: a forward pass."""
        return (STATES,)

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """How many picks have no mass: too few had."""
        without = int((choice.columns["mass"] == 0).sum())
        if not without:
            return ()
        return (
            f"TSDS: {without:,} of {len(choice):,} picks have no mass of the target: too few had, and the nearest to "
            "its rows followed. More rows of the target would give mass to more.",
        )

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`. The choice knows the ``mass`` of each pick, which sums to 1 over all candidates."""
        assert candidates.target is not None, "a run without a target is refused before"
        by_row = np.argsort(candidates.rows)  # ties and draws go by row number
        points = unit_points(candidates, WEIGHTED)[by_row]
        mean = points.mean(axis=0)
        points, queries = centred(points, mean), centred(unit_points(candidates.target, WEIGHTED), mean)
        near, squares = neighbours_of(queries, points, min(_NEIGHBOURS, len(points)), progress, what="Neighbours")
        crowds = _crowds_of(points, near, progress)
        plan = transported(np.sqrt(squares.astype(np.float64)), crowds[near])
        mass = np.bincount(near.ravel(), plan.mass.ravel(), len(points))
        progress.note(
            f"TSDS: {np.count_nonzero(mass):,} of {len(points):,} rows have mass; mean density "
            f"{crowds[np.unique(near)].mean():.1f}; "
            + (f"spread to {plan.level:.1f} rows of density 1." if plan.stopped else "spread as far as it can be.")
        )
        draw = np.random.default_rng(seed).gumbel(size=len(points))
        with np.errstate(divide="ignore"):
            key = np.log(mass) + draw
        apart = squared_distances(points, queries).min(axis=1).astype(np.float32)
        order = by_row[np.lexsort((apart, -key))]
        known = np.empty(len(points))
        known[by_row] = mass
        return best_ranked(order, candidates, allowance, path=self.name, known={"mass": known})


@dataclass(frozen=True, kw_only=True, eq=False)
class Transport:
    """How rows of a target spread their mass.

    Attributes:
        mass: ``[m, K]``, to each neighbour; sums to 1.
        level: Σ 1/ρ of the neighbours that each row of the target reaches.
        stopped: whether distances outweighed the spread before the neighbours were used up.
    """

    mass: NDArray[np.float64]
    level: float
    stopped: bool


def transported(
    distances: NDArray[np.float64], densities: NDArray[np.float64], *, alpha: float = ALPHA, scale: float = SCALE
) -> Transport:
    """The mass that each of m rows of a target gives its K neighbours.

    With C_k = Σ_{i≤k} 1/ρ_i and W_k = Σ_{i≤k} d_i/ρ_i of a row's neighbours in order, the row has the cost
    d_{k+1} C_k − W_k once the level s reaches C_k. The level rises until (α/C) Σ cost ≥ (1 − α) m. Each neighbour up to
    there has 1/(m s ρ), and the next one what is left of 1/m. A larger α keeps the mass nearer.

    Args:
        distances: ``[m, K]``, ascending in each row.
        densities: ``[m, K]``, ρ ≥ 1 of these neighbours.
        alpha, scale: α and C.

    Cost: O(mK log mK).
    """
    m, shares = len(distances), 1 / densities
    reach, spent = np.cumsum(shares, axis=1), np.cumsum(shares * distances, axis=1)
    costs = distances[:, 1:] * reach[:, :-1] - spent[:, :-1]
    order = np.argsort(reach[:, :-1], axis=None, kind="stable")
    totals = np.cumsum(np.diff(costs, axis=1, prepend=0.0).ravel()[order])
    past = np.flatnonzero(alpha / scale * totals >= (1 - alpha) * m)
    last = past[:1] if len(past) else np.arange(len(order))[-1:]
    level = float(reach[:, :-1].ravel()[order[last[0]]]) if len(last) else float(reach.max())
    taken = np.pad(np.minimum(reach[:, :-1], level), ((0, 0), (1, 0)))  # by all neighbours before each
    mass = np.diff(taken, axis=1, append=level) / (m * level)
    return Transport(mass=mass, level=level, stopped=bool(len(past)))


def crowds(points: NDArray[np.float64], neighbours: int, progress: Progress) -> NDArray[np.float64]:
    """ρ ``[p]``: Σ max(0, 1 − d²/σ²) over a point's nearest neighbours, itself among them, so at least 1.

    Cost: O(p²d), a block of points at a time.
    """
    found = np.empty(len(points))
    with progress.task("Densities", len(points), "rows") as advance:
        for start in range(0, len(points), size := tile_rows(len(points))):
            block = slice(start, start + size)
            kernel = np.maximum(0, 1 - squared_distances(points[block], points) / BANDWIDTH**2)
            if neighbours < len(points):
                kernel = -np.partition(-kernel, neighbours - 1, axis=1)[:, :neighbours]
            found[block] = kernel.sum(axis=1)
            advance(len(kernel))
    return found


def _crowds_of(points: NDArray[np.float64], near: NDArray[np.int64], progress: Progress) -> NDArray[np.float64]:
    """The density of every point that is a neighbour of the target, among those alone; 1 for any other."""
    found, seen = np.ones(len(points)), np.unique(near)
    found[seen] = crowds(points[seen], max(1, min(_CROWD, len(points) // 10)), progress)
    return found
