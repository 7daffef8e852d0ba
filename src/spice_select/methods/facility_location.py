"""Facility location: rows that stand for all rows (Mirzasoleiman et al. 2016; Lin and Bilmes 2011)."""

from typing import ClassVar

import numpy as np

from spice_select.features.poolings import RESPONSE, STATES
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.greedily import allowed, work
from spice_select.methods.points import centred, unit_points
from spice_select.progress import Progress
from spice_select.selection import FacilityLocation, greedy


class Representatives(Method):
    """Greedily what raises Σ over all rows of the similarity to the nearest pick most: max(0, cosine).

    Of the responses' mean hidden states, of length one, less the mean of all rows and of length one again. Picks stand
    in dense regions, the opposite of what information picks. Lazy and exact (`greedy`), which knows budgets in tokens
    and shares by itself: the order depends on them. Cost: O(n²d) for the first pick, similarities in blocks
    (`FacilityLocation`); later ones are far cheaper.
    """

    name: ClassVar[str] = "facility-location"
    summary: ClassVar[str] = "what all rows are most similar to, by hidden states of the response"
    source: ClassVar[str] = "Lin and Bilmes 2011"
    no_pairs: ClassVar[str] = "it compares hidden states of single answers, and a pair has two"

    def needs(self) -> tuple[str, ...]:
        """Hidden states: a forward pass."""
        return (STATES,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``coverage`` that each pick adds."""
        by_row = np.argsort(candidates.rows)  # two rows that stand for each other alone tie, and the lower is taken
        ordered = candidates.take(by_row)
        points = unit_points(ordered, RESPONSE)
        points = centred(points, points.mean(axis=0))
        with progress.task("Selection", *work(allowance, None)) as advance:
            found = greedy(points, objective=FacilityLocation(), progress=advance, **allowed(ordered, allowance))
        return Choice(
            indices=by_row[found.indices],
            columns={"coverage": found.gains},
            pools=found.pools,
            stop=found.stop,
            stats=found.stats,
        )
