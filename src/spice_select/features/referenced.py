"""What pairs are held against on a proxy that was trained: their margins without the training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.records import PairExample, Sample
from spice_select.features.row_weights import PAIR_WEIGHT
from spice_select.gradients.pairs.dpo import DpoReference

REFERENCE = "reference"
"""The column of gradients that holds the margins."""


@dataclass(frozen=True)
class Referenced:
    """The margins of a batch of pairs at DPO's reference.

    Attributes:
        reference: who knows them.
        margins: float64 ``[b]``.
    """

    reference: DpoReference
    margins: NDArray[np.float64]

    @classmethod
    def of(cls, reference: DpoReference, model: nn.Module, batch: Sequence[Sample]) -> Self | None:
        """Those of a batch; None where its rows are no pairs."""
        pairs = [sample for sample in batch if isinstance(sample, PairExample)]
        return cls(reference, reference.margins(model, pairs)) if pairs else None

    def columns(self, moved: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The margin at the reference, Δ, and the pair's weight, from its margin ``[b]`` now."""
        weights = self.reference.weights(moved, self.margins)
        return {REFERENCE: self.margins, "delta": moved - self.margins, PAIR_WEIGHT: weights}
