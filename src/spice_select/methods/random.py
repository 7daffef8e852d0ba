"""Rows drawn at random: what every method has to beat."""

from typing import ClassVar

import numpy as np

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress


class Random(Method):
    """Rows drawn uniformly without replacement: the head of a seeded permutation.

    Loads no model, except where the schedule trains one.
    """

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "drawn uniformly, the control that every method has to beat; loads no model"
    source: ClassVar[str] = "control"
    draws: ClassVar[bool] = True

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`. A smaller budget is the beginning of a larger one, whatever the features are."""
        order = np.random.default_rng(seed).permutation(len(candidates))
        return best_ranked(order, candidates, allowance, path=self.name)
