"""Four summaries of a row's last hidden states, and where each lies in what is kept of the row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Example
from spice_select.store import FeatureBlock

STATES = "hidden-states"
"""The feature that holds them, by its name in `spice_select.features.FEATURES`."""


@dataclass(frozen=True)
class Pooling:
    """A weighted mean of a row's last hidden states.

    Attributes:
        name: of it.
        weights: of each of the row's tokens ``[tokens]``, whole numbers; all 0 where it has none of those meant.
    """

    name: str
    weights: Callable[[Example], NDArray[Any]]

    @property
    def length(self) -> str:
        """The column that holds how long the mean is."""
        return f"{self.name}-length"

    def directions(self, block: FeatureBlock) -> NDArray[np.float32]:
        """Its vectors of length one, or zero, float32 ``[n, hidden]``: a view of the block's."""
        width = block.dim // len(POOLINGS)
        start = POOLINGS.index(self) * width
        return block.features[:, start : start + width]

    def vectors(self, block: FeatureBlock) -> NDArray[np.float64]:
        """The means as they were, float64 ``[n, hidden]``."""
        return self.directions(block) * block[self.length][:, None]


def _of_first_prompt(example: Example) -> NDArray[np.bool_]:
    return np.cumsum(example.supervised) == 0


def _of_last(example: Example) -> NDArray[np.bool_]:
    return np.arange(example.num_tokens) == example.num_tokens - 1


WEIGHTED = Pooling("weighted", lambda example: np.arange(1, example.num_tokens + 1))
"""Every token, prompt and template included, heavier the later it stands: the place t counts from 1 (RDS+)."""
RESPONSE = Pooling("response", lambda example: example.supervised)
"""The supervised tokens, of all turns alike."""
PROMPT = Pooling("prompt", _of_first_prompt)
"""The tokens before the first supervised one: what is asked first, template included. Zero for a row without."""
LAST = Pooling("last", _of_last)
"""The last token of the row."""

POOLINGS = (WEIGHTED, RESPONSE, PROMPT, LAST)
"""As their vectors stand side by side."""
