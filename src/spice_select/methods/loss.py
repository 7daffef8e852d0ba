"""Rows by the loss of their responses under the proxy: easy ones, hard ones, or the middle."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress

LOSSES_NEEDED = "losses"
"""The feature, by its name in `spice_select.features.FEATURES`."""


class ByLoss(Method):
    """A ranking by the mean loss over a row's supervised tokens, equal scores by row number.

    Perplexity, its exponential, ranks alike.
    """

    source: ClassVar[str] = "control"
    no_pairs: ClassVar[str] = "it goes by the loss of single answers, and a pair has two"
    no_marks: ClassVar[str] = "it goes by how likely an answer is, as if every one were to be learnt"

    def needs(self) -> tuple[str, ...]:
        """Response losses: a forward pass."""
        return (LOSSES_NEEDED,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``loss`` of each pick (nats a token)."""
        losses = candidates.features[LOSSES_NEEDED].losses
        order = np.lexsort((candidates.rows, self.cost(losses)))
        return best_ranked(order, candidates, allowance, path=self.name, known={"loss": losses})

    @abstractmethod
    def cost(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the best rows have least of, ``[n]``, from the candidates' losses ``[n]``."""


class LossLow(ByLoss):
    """The rows whose responses the proxy finds likeliest."""

    name: ClassVar[str] = "loss-low"
    summary: ClassVar[str] = "the lowest response loss, a control"

    def cost(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """The loss."""
        return losses


class LossMid(ByLoss):
    """The rows whose loss is nearest the candidates' median (arXiv 2410.16208 takes the middle for its baseline)."""

    name: ClassVar[str] = "loss-mid"
    summary: ClassVar[str] = "the response loss nearest the median, a control"

    def cost(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the loss is from the median."""
        return np.abs(losses - np.median(losses))


class LossHigh(ByLoss):
    """The rows whose responses the proxy finds unlikeliest."""

    name: ClassVar[str] = "loss-high"
    summary: ClassVar[str] = "the highest response loss, a control"

    def cost(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """The loss, the other way round."""
        return -losses
