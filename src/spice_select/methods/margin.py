"""Preference pairs by their margin: those that the proxy tells apart already, or those that it does not."""

from typing import ClassVar

import numpy as np

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress


class MarginHigh(Method):
    """The pairs whose chosen answer the proxy finds likelier by most, by the mean log-probability of a token.

    That margin needs no reference. DPO's own, the implicit one, is 0 for every pair where the proxy is its reference.
    """

    name: ClassVar[str] = "margin-high"
    summary: ClassVar[str] = "preference pairs whose chosen answer is likelier by most, by the mean token; a control"
    source: ClassVar[str] = "arXiv 2502.14560"
    reads: ClassVar[frozenset[str]] = frozenset({"alpha", "normalise", "row_weight"})  # by which its picks are judged
    only_pairs: ClassVar[bool] = True
    column: ClassVar[str] = "margin_mean"
    sign: ClassVar[int] = -1

    def needs(self) -> tuple[str, ...]:
        """Gradients: their forward pass knows the margin."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn."""
        margins = candidates.features[GRADIENTS][self.column]
        order = np.lexsort((candidates.rows, self.sign * margins))
        return best_ranked(order, candidates, allowance, path=self.name)


class MarginLow(MarginHigh):
    """The pairs that the proxy ranks wrongly by most, by the mean log-probability of a token: the hard ones."""

    name: ClassVar[str] = "margin-low"
    summary: ClassVar[str] = "preference pairs whose rejected answer is likelier by most, by the mean token; a control"
    source: ClassVar[str] = "arXiv 2508.04149"
    sign: ClassVar[int] = 1
