"""The longest gradients: what a ranking by gradient norm comes to."""

from typing import ClassVar

import numpy as np

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress


class TopNorm(Method):
    """The rows whose gradients are longest, before sketch and normalisation; equal norms by row number."""

    name: ClassVar[str] = "top-norm"
    summary: ClassVar[str] = "the longest gradients, a control: log det on gradients as they come amounts to it"
    source: ClassVar[str] = "control"
    reads: ClassVar[frozenset[str]] = frozenset({"alpha", "normalise", "row_weight"})  # by which its picks are judged

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn."""
        order = np.lexsort((candidates.rows, -candidates.features[GRADIENTS].norms))
        return best_ranked(order, candidates, allowance, path=self.name)


class SpiceOfficial(TopNorm):
    """What the program that the authors of SPICE published does unless told otherwise: the ranking of `TopNorm`.

    Its default, ``selection_method: top_k``, ranks by log(1 + α‖g‖²), which grows with the length of the gradient and
    with nothing else; the greedy of the paper is an option of it. Its gradients are of prompt and response; these are
    of the response, as those of all methods here.
    """

    name: ClassVar[str] = "spice-official"
    summary: ClassVar[str] = "what the SPICE authors' program does by default: the longest gradients, as top-norm"
    source: ClassVar[str] = "github.com/Chang-pw/SPICE, selection_method top_k"
