"""Herding: rows whose mean gradient is the pool's, all counting alike (Welling, ICML 2009)."""

from dataclasses import replace
from typing import ClassVar

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.matching import herded, mean_errors
from spice_select.methods.stepwise import stepwise
from spice_select.progress import Progress


class Herding(Method):
    """The next row is the one that brings the mean gradient of the picks back to the pool's; see `herded`.

    Gradients are of length one unless `--normalise none` is given. Equal-weight matching: what a trainer that knows no
    weights does with the rows is what was matched.
    """

    name: ClassVar[str] = "herding"
    summary: ClassVar[str] = "rows whose mean gradient stays nearest the pool's (kernel herding)"
    source: ClassVar[str] = "Welling 2009"
    reads: ClassVar[frozenset[str]] = frozenset({"alpha", "normalise"})

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. Cost: O(nd) a pick.

        The choice knows the ``error`` after each pick: how far the mean of the picks so far is from the pool's, as a
        share of its length.
        """
        vectors = candidates.matrix.dense
        order = herded(vectors, candidates.rows)
        choice = stepwise(order, candidates, allowance, path=self.name, progress=progress)
        return replace(choice, columns={"error": mean_errors(vectors, choice.indices)})
