"""What a model says of rows: the loss of each answer after its question, without it, and before and after training."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.records import Example
from spice_select.evaluation.loss import response_losses
from spice_select.progress import Progress

HEADER = 3
"""Tokens by which the embedded proxy's template opens an answer (`<|im_start|>assistant\\n`)."""
_BATCH_TOKENS = 2048


def unprompted(example: Example) -> Example:
    """The answer alone, opened as the template opens it; of rows with several answers, all from the first on."""
    start = max(0, int(np.flatnonzero(example.supervised)[0]) - HEADER)
    return replace(example, input_ids=example.input_ids[start:], supervised=example.supervised[start:])


def token_mean_losses(model: nn.Module, examples: Sequence[Example], progress: Progress) -> NDArray[np.float64]:
    """Cross-entropy a supervised token (nats), float64 ``[n]``."""
    sums = response_losses(model, examples, batch_tokens=_BATCH_TOKENS, progress=progress)
    return sums / np.array([example.num_supervised for example in examples])
