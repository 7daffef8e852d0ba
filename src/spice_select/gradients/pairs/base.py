"""The port of a pair gradient: how much each token of two answers counts in their difference."""

from typing import TYPE_CHECKING, Protocol, Self

from torch import Tensor

if TYPE_CHECKING:
    from spice_select.gradients.settings import GradientSettings


class PairGradient(Protocol):
    """How much each token of two answers counts in their difference."""

    @property
    def name(self) -> str:
        """What it is called in settings and reports."""
        ...

    @classmethod
    def of(cls, asked: "GradientSettings") -> Self:
        """As the settings describe it."""
        ...

    def token_weights(self, places: Tensor, own: Tensor, other: Tensor, chosen: Tensor) -> Tensor:
        """Weight of the log-probability of each token, float32 ``[n]``, without a sign.

        Args:
            places: int64 ``[n]``, which token of its answer each is, from 0.
            own, other: int64 ``[n]``, tokens of its answer, and of the answer it is compared with.
            chosen: bool ``[n]``, whether its answer is the preferred one.
        """
        ...
