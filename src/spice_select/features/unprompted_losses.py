"""The response loss of each row without what was asked: what IFD divides by (Li et al. 2024, arXiv 2308.12032)."""

from collections.abc import Sequence
from itertools import chain
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.encoding import Encoder
from spice_select.data.records import Example
from spice_select.features.base import Compute, FeatureRequest
from spice_select.features.forwards import ForwardFeature, block_of
from spice_select.gradients.forward import summed_losses
from spice_select.models.load import load_tokenizer
from spice_select.store import FeatureBlock


class UnpromptedLosses(ForwardFeature):
    """Loss of the response given only the template's header of an answer. See `Feature`.

    Each answer of a row is read by itself: the header's tokens, BOS included, and then the very tokens that the row is
    trained on. Nothing is tokenised again. Columns: ``loss``, the mean over all the row's supervised tokens (nats), and
    ``loss_sum``, the sum. Cost: one forward pass of the responses, each behind a header.
    """

    name: ClassVar[str] = "unprompted-losses"
    summary: ClassVar[str] = "losses of the responses alone, without their prompts: a forward pass of each response"

    def __init__(self, request: FeatureRequest) -> None:
        super().__init__(request)
        self._header: NDArray[np.int32] = np.zeros(0, np.int32)

    def open(self) -> Compute:
        """Load the proxy and ask its tokenizer's template for the header."""
        access = self.request.proxy.access
        self._header = Encoder(load_tokenizer(access.model, **access.keywords())).answer_header()
        return super().open()

    def measure(self, model: nn.Module, batch: Sequence[Example]) -> FeatureBlock:
        """See `ForwardFeature.measure`. No forward pass reads more tokens, padding included, than the batch has."""
        own = [answers_alone(example, self._header) for example in batch]
        pieces = list(chain.from_iterable(own))
        sums = np.empty(len(pieces), np.float64)
        room = len(batch) * max(example.num_tokens for example in batch)
        for positions in plan_batches([piece.num_tokens for piece in pieces], token_budget=room):
            sums[positions] = summed_losses(model, [pieces[position] for position in positions])
        rows = np.repeat(np.arange(len(batch)), [len(answers) for answers in own])
        totals = np.zeros(len(batch))
        np.add.at(totals, rows, sums)
        return block_of(batch, {"loss": totals / [e.num_supervised for e in batch], "loss_sum": totals})


def answers_alone(example: Example, header: NDArray[np.int32]) -> list[Example]:
    """Each answer of a row, a run of supervised tokens, behind a header and without anything else of the row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], example.supervised, [False]]).astype(np.int8)))
    return [
        Example(
            row=example.row,
            input_ids=np.concatenate([header, example.input_ids[begin:end]]),
            supervised=np.arange(len(header) + end - begin) >= len(header),
            source=example.source,
            content_hash=example.content_hash,
        )
        for begin, end in edges.reshape(-1, 2).tolist()
    ]
