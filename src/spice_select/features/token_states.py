"""The states that a row's supervised tokens are predicted from, as a few directions: what FisherSFT chooses by."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import ClassVar

import numpy as np
from torch import nn

from spice_select.data.records import Example
from spice_select.features.base import FeatureRequest
from spice_select.features.directions import DIRECTIONS, main_directions, projection
from spice_select.features.forwards import ForwardFeature, block_of
from spice_select.gradients.forward import last_states
from spice_select.numerics.arrays import Matrix
from spice_select.store import FeatureBlock


class TokenStates(ForwardFeature):
    """Σ x xᵀ over the last hidden states x, after the final norm, that predict a supervised token. See `Feature`.

    The state at token t−1 predicts token t. A row's vector is its `main_directions` side by side, after a seeded
    projection where states are longer than 128 numbers: exact up to 8 supervised tokens and 128 numbers. Columns:
    ``square``, Σ ‖x‖² ÷ numbers in a state, of the states as they are, and ``kept``, the share of the projected states'
    squares that lies in the directions. Cost: one forward pass of every token, and a small factorisation a row.
    """

    name: ClassVar[str] = "token-states"
    summary: ClassVar[str] = "the last hidden states that predict a response's tokens, in 8 directions: a forward pass"

    def __init__(self, request: FeatureRequest) -> None:
        super().__init__(request)
        self._projection = lru_cache(partial(projection, seed=request.proxy.seed, name=self.name))

    def measure(self, model: nn.Module, batch: Sequence[Example]) -> FeatureBlock:
        """See `ForwardFeature.measure`."""
        whole = last_states(model, batch)[0].float().cpu().numpy()
        found = [
            self._of(states[np.flatnonzero(example.supervised) - 1].astype(np.float64))
            for states, example in zip(whole, batch, strict=True)
        ]
        vectors, squares, shares = zip(*found, strict=True)
        columns = {"square": np.array(squares), "kept": np.array(shares)}
        return block_of(batch, columns, np.stack(vectors).astype(np.float32))

    def _of(self, states: Matrix) -> tuple[Matrix, float, float]:
        """Of the states ``[t, hidden]`` of a row: the directions as one vector, the squares, the share kept."""
        square = float(np.mean(states**2, axis=1).sum())
        shortening = self._projection(states.shape[1])
        short = states if shortening is None else states @ shortening
        if not np.isfinite(short).all():
            return np.full(DIRECTIONS * short.shape[1], np.nan), square, np.nan
        directions, share = main_directions(short)
        return directions.ravel(), square, share
