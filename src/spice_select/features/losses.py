"""The response loss of each row under the proxy: one forward pass."""

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from spice_select.data.records import Example
from spice_select.features.forwards import ForwardFeature, block_of
from spice_select.gradients.forward import summed_losses
from spice_select.store import FeatureBlock


class Losses(ForwardFeature):
    """Loss of the response given what stands before it. See `Feature`.

    Columns: ``loss``, the mean over the row's supervised tokens (nats), and ``loss_sum``, the sum. Cost: one forward
    pass of every token.
    """

    name: ClassVar[str] = "losses"
    summary: ClassVar[str] = "response losses on the proxy: a forward pass of each row"

    def measure(self, model: nn.Module, batch: Sequence[Example]) -> FeatureBlock:
        """See `ForwardFeature.measure`."""
        sums = summed_losses(model, batch)
        return block_of(batch, {"loss": sums / [example.num_supervised for example in batch], "loss_sum": sums})
