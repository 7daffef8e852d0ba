"""How the proxy itself rates each row: what SelectIT chooses by (Liu et al., NeurIPS 2024, arXiv 2402.16705)."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example, Ids
from spice_select.features.base import Compute
from spice_select.features.forwards import ForwardFeature, block_of
from spice_select.features.rating_prompts import QUESTIONS, RATINGS, RatingPrompts
from spice_select.gradients.branches import branched_log_probabilities, goes_on, next_log_probabilities
from spice_select.models.load import load_tokenizer
from spice_select.models.positions import context_length
from spice_select.store import FeatureBlock


class Ratings(ForwardFeature):
    """Probabilities of the ratings 1 to 5 as the next token after each of five questions about the row. See `Feature`.

    A row's vector holds those after the first question, then those after the second, and so on, each five scaled to
    sum to one. Column ``mass``: their sum before that, the mean over the questions: how far the proxy answers with a
    rating at all. Cost: a forward pass of every row and of five questions of some 30 tokens; where the proxy does not
    keep all that it read (see `goes_on`), five passes of the row too.
    """

    name: ClassVar[str] = "ratings"
    summary: ClassVar[str] = "the proxy's own ratings of each row from 1 to 5, by five questions"

    _goes_on: bool | None = None
    """Whether the proxy keeps what it read: known from the first batch on."""

    def open(self) -> Compute:
        """Ask the proxy's tokenizer for the ratings, then load the proxy.

        Raises:
            InputError: as `RatingPrompts`, before anything is loaded.
        """
        self._prompts  # noqa: B018 - made once
        return super().open()

    @cached_property
    def _prompts(self) -> RatingPrompts:
        access = self.request.proxy.access
        return RatingPrompts(load_tokenizer(access.model, **access.keywords()))

    def measure(self, model: nn.Module, batch: Sequence[Example]) -> FeatureBlock:
        """See `ForwardFeature.measure`. Passes read about as many tokens, padding included, as the batch has."""
        prompts, window = self._prompts, context_length(model)
        told = [prompts.told(example, window) for example in batch]
        room = len(batch) * max(example.num_tokens for example in batch)
        if self._goes_on is None:
            self._goes_on = goes_on(model)
        read = branched_log_probabilities if self._goes_on else _one_by_one
        logs = np.empty((len(batch), len(QUESTIONS), RATINGS))
        longest = max(map(len, prompts.cues))
        for places in plan_batches([len(ids) + longest for ids in told], token_budget=room):
            logs[places] = read(model, [told[place] for place in places], prompts.cues, prompts.ratings)
        shares = np.exp(logs - logs.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        mass = np.exp(logs).sum(axis=2).mean(axis=1)
        return block_of(batch, {"mass": mass}, shares.reshape(len(batch), -1).astype(np.float32))


def _one_by_one(
    model: nn.Module, told: Sequence[Ids], cues: Sequence[Ids], tokens: Sequence[int]
) -> NDArray[np.float64]:
    """As `branched_log_probabilities`, each text read from its beginning."""
    found = [next_log_probabilities(model, [np.concatenate([ids, cue]) for ids in told], tokens) for cue in cues]
    return np.stack(found, axis=1)
