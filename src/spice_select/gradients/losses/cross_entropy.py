"""Cross-entropy of each token, exact to float32 and with one matrix of logits instead of three."""

from typing import Any

import torch
from torch import Tensor

_IN_CACHE, _MANY = 1 << 20, 1 << 26
"""Logits that are exponentiated at once: 4 MiB in float32, which stay in a processor's cache; on a GPU 256 MiB, since
there each chunk costs ten launches whatever its size."""


class _TokenCrossEntropy(torch.autograd.Function):
    """−log softmax at the target, in float32 at least. The backward pass puts the gradient where the logits were.

    So there is one matrix of logits instead of three. Nothing before reads it any more: a linear layer's backward
    pass needs no output, and where some operation does, autograd notices the change and raises.

    The largest logit and the sum of exponentials are kept apart: their one logarithm is rounded in proportion to the
    logits' size, and a token's probabilities then sum to 1 ± 2e-6 at logits of 30. (`torch.log_softmax` in float32 does
    the like: its gradients of SmolLM2 are off by 1e-4 of a row's length, these by 4e-6.)
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        parts = [_peak_and_total(chunk) for chunk in torch.split(logits, _rows_at_once(logits))]
        peaks, totals = (torch.cat(values) for values in zip(*parts, strict=True))
        ctx.logits = logits.detach()
        ctx.save_for_backward(targets, peaks, totals)
        return totals.log() + (peaks - _wide(logits.gather(1, targets[:, None])[:, 0]))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        targets, peaks, totals = ctx.saved_tensors
        logits: Tensor = ctx.logits
        step = _rows_at_once(logits)
        for start in range(0, len(logits), step):
            rows = slice(start, start + step)
            softmax = _scaled_softmax(logits[rows], peaks[rows], totals[rows], grad[rows])
            softmax.scatter_add_(1, targets[rows, None], -grad[rows, None])
            if softmax.dtype != logits.dtype:
                logits[rows] = softmax
        return logits, None


def _rows_at_once(logits: Tensor) -> int:
    return max(1, (_IN_CACHE if logits.device.type == "cpu" else _MANY) // logits.shape[1])


def _wide(values: Tensor) -> Tensor:
    """In float32, or in float64 if they are."""
    return values if values.dtype == torch.float64 else values.float()


def _peak_and_total(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The largest logit of each row, and Σ exp(logit − largest)."""
    if _fused(logits):  # at the largest logit the softmax is exp(0) over the total
        return _wide(logits.amax(1)), torch.softmax(logits, 1, dtype=torch.float32).amax(1).reciprocal_()
    wide = _wide(logits)
    peaks = wide.amax(1)
    return peaks, (wide - peaks[:, None]).exp_().sum(1)


def _scaled_softmax(logits: Tensor, peaks: Tensor, totals: Tensor, scale: Tensor) -> Tensor:
    if _fused(logits):
        return torch.softmax(logits, 1, dtype=torch.float32).mul_(scale[:, None])
    return _wide(logits).sub_(peaks[:, None]).exp_().mul_((scale / totals)[:, None])


def _fused(logits: Tensor) -> bool:
    """Whether one kernel reads half precision and writes float32, where else five passes go over memory."""
    return logits.is_cuda and logits.dtype in (torch.bfloat16, torch.float16)


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each token in float32, or float64 for logits in float64.

    Args:
        logits: ``[n, vocabulary]``, any floating dtype.
        targets: int64 ``[n]``.

    Returns:
        ``[n]``, differentiable in `logits`.
    """
    result: Tensor = _TokenCrossEntropy.apply(logits, targets)  # type: ignore[no-untyped-call]
    return result
