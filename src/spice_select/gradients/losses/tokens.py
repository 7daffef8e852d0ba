"""The loss of a response as the mean or the sum over its supervised tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TokenMean:
    """Mean over the supervised tokens: what SFT minimises for a row. Its gradient's norm falls with length."""

    @property
    def name(self) -> str:
        """``token-mean``."""
        return "token-mean"

    def token_weights(self, counts: Tensor) -> Tensor:
        """``1/n`` for a row of n supervised tokens."""
        return counts.float().reciprocal()


@dataclass(frozen=True, slots=True)
class TokenSum:
    """Sum over the supervised tokens: the negative log-likelihood of the response. Its norm grows with length."""

    @property
    def name(self) -> str:
        """``token-sum``."""
        return "token-sum"

    def token_weights(self, counts: Tensor) -> Tensor:
        """1 for every row."""
        return torch.ones_like(counts, dtype=torch.float32)
