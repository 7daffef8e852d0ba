"""The loss of a response: cross-entropy over its supervised tokens, as a mean or a sum."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

_CHUNK_ELEMENTS = 1 << 20
"""Logits that are exponentiated at once: 4 MiB in float32, which stay in a processor's cache."""


class ResponseLoss(Protocol):
    """How the losses of a row's tokens become the row's loss."""

    @property
    def name(self) -> str:
        """What the reduction is called in settings and reports."""
        ...

    def token_weights(self, counts: Tensor) -> Tensor:
        """Weight of each of a row's token losses, float32 ``[b]``, from its number of supervised tokens ``[b]``."""
        ...


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


class _TokenCrossEntropy(torch.autograd.Function):
    """−log softmax at the target, in float32. The backward pass puts the gradient where the logits were.

    So there is one matrix of logits instead of three. Nothing before reads it any more: a linear layer's backward
    pass needs no output, and where some operation does, autograd notices the change and raises.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        step = max(1, _CHUNK_ELEMENTS // logits.shape[1])
        normaliser = torch.cat([chunk.float().logsumexp(1) for chunk in torch.split(logits, step)])
        ctx.logits = logits.detach()
        ctx.save_for_backward(targets, normaliser)
        return normaliser - logits.gather(1, targets[:, None])[:, 0].float()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        targets, normaliser = ctx.saved_tensors
        logits: Tensor = ctx.logits
        step = max(1, _CHUNK_ELEMENTS // logits.shape[1])
        for start in range(0, len(logits), step):
            rows = slice(start, start + step)
            softmax = logits[rows].float().sub_(normaliser[rows, None]).exp_()
            softmax.scatter_add_(1, targets[rows, None], softmax.new_full((len(softmax), 1), -1.0))
            softmax.mul_(grad[rows, None])
            if softmax.dtype != logits.dtype:
                logits[rows] = softmax
        return logits, None


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each token in float32.

    Args:
        logits: ``[n, vocabulary]``, any floating dtype.
        targets: int64 ``[n]``.

    Returns:
        float32 ``[n]``, differentiable in `logits`.
    """
    result: Tensor = _TokenCrossEntropy.apply(logits, targets)  # type: ignore[no-untyped-call]
    return result
