"""The longest responses (Zhao et al., ICML 2024, arXiv 2402.04833): a baseline that is hard to beat."""

from typing import ClassVar

import numpy as np

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress


class Longest(Method):
    """The rows with the most supervised tokens; equal lengths by row number. Loads no model."""

    name: ClassVar[str] = "longest"
    summary: ClassVar[str] = "the longest responses in tokens, a control; loads no model"
    source: ClassVar[str] = "arXiv 2402.04833"

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn."""
        order = np.lexsort((candidates.rows, -candidates.supervised))
        return best_ranked(order, candidates, allowance, path=self.name)
