"""What is asked of a model as such: whether a token's logits change with the tokens after it."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spice_select.models.probe import is_causal


class Leaks(nn.Module):
    """Logits in float32, whatever the weights are in; each token adds a share of the sum of its row to all others."""

    def __init__(self, share: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.embed, self.share = nn.Embedding(16, 8).to(dtype), share
        with torch.no_grad():
            self.embed.weight.copy_(torch.arange(128).reshape(16, 8) / 128)

    def forward(self, input_ids: Tensor, **_: Any) -> SimpleNamespace:
        logits = self.embed(input_ids).float()
        return SimpleNamespace(logits=logits + self.share * logits.sum(1, keepdim=True))


@pytest.mark.parametrize(
    ("share", "dtype", "causal"),
    [
        (0.0, torch.float32, True),
        (0.01, torch.float32, False),
        (0.01, torch.bfloat16, True),  # as rounding in bfloat16 may do
        (1.0, torch.bfloat16, False),
    ],
)
def test_rounding_is_that_of_the_weights_whatever_the_logits_are_in(
    share: float, dtype: torch.dtype, causal: bool
) -> None:
    assert is_causal(Leaks(share, dtype), 16) is causal
