"""The port of a response loss: how the losses of a row's tokens become the row's loss."""

from typing import Protocol

from torch import Tensor


class ResponseLoss(Protocol):
    """How the losses of a row's tokens become the row's loss."""

    @property
    def name(self) -> str:
        """What the reduction is called in settings and reports."""
        ...

    def token_weights(self, counts: Tensor) -> Tensor:
        """Weight of each of a row's token losses, float32 ``[b]``, from its number of supervised tokens ``[b]``."""
        ...
