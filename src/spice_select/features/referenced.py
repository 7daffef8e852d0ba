"""What pairs are held against on a proxy that was trained: their margins without the training."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.records import PairExample, Sample
from spice_select.features.row_weights import PAIR_WEIGHT
from spice_select.gradients.memory import within_memory
from spice_select.gradients.pairs.dpo import DpoReference

REFERENCE = "reference"
"""The column of gradients that holds the margins."""
_REMEDY = "cut rows shorter with --max-length, or use a smaller proxy"


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
        """Those of a batch, in halves where memory ends; None where its rows are no pairs.

        Raises:
            InputError: a pair does not fit in memory by itself.
        """
        pairs = [sample for sample in batch if isinstance(sample, PairExample)]
        if not pairs:
            return None
        return cls(reference, np.concatenate(within_memory(partial(reference.margins, model), pairs, remedy=_REMEDY)))

    def columns(self, moved: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The margin at the reference, Δ, and the pair's weight, from its margin ``[b]`` now."""
        weights = self.reference.weights(moved, self.margins)
        return {REFERENCE: self.margins, "delta": moved - self.margins, PAIR_WEIGHT: weights}
