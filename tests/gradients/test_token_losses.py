"""The loss of each token, and its gradient, against float64."""

import pytest
import torch
from torch.nn import functional

from spice_select.gradients.losses import token_losses


def several_chunks(monkeypatch):
    """The last one short."""
    for name in ("_IN_CACHE", "_MANY"):
        monkeypatch.setattr(f"spice_select.gradients.losses.cross_entropy.{name}", 5 * 3000)


def drawn(dtype, offset, device="cpu"):
    generator = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(12, 3000, generator=generator) + offset).to(device, dtype)
    targets, weights = torch.randint(0, 3000, (12,), generator=generator), torch.rand(12, generator=generator)
    return logits, targets.to(device), weights.to(device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_a_gpus_fused_softmax_gives_the_same(monkeypatch, dtype, offset):
    several_chunks(monkeypatch)
    logits, targets, weights = drawn(dtype, offset, "cuda")
    found, truth = logits.clone().requires_grad_(), logits.double().requires_grad_()
    losses = token_losses(found * 1, targets)
    (losses * weights).sum().backward()
    expected = functional.cross_entropy(truth, targets, reduction="none")
    (expected * weights).sum().backward()
    torch.testing.assert_close(losses.double(), expected, rtol=2e-6, atol=2e-6)
    close = 1e-5 if dtype == torch.float32 else 2**-8
    torch.testing.assert_close(found.grad.double(), truth.grad, rtol=close, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 30.0, -1000.0])
def test_losses_and_gradients_are_those_of_float64_however_large_the_logits(monkeypatch, dtype, offset):
    several_chunks(monkeypatch)
    logits, targets, weights = drawn(dtype, offset)
    found, truth = logits.clone().requires_grad_(), logits.double().requires_grad_()
    losses = token_losses(found * 1, targets)
    (losses * weights).sum().backward()
    expected = functional.cross_entropy(truth, targets, reduction="none")
    (expected * weights).sum().backward()
    close = 1e-6 if dtype == torch.float32 else 1e-13
    assert losses.dtype == dtype
    torch.testing.assert_close(losses.double(), expected, rtol=close, atol=close)
    torch.testing.assert_close(found.grad.double(), truth.grad, rtol=10 * close, atol=close / 10)
    # what the output head multiplies by the mean of its rows
    assert found.grad.double().sum(1).abs().max() < close / 2
