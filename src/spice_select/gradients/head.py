"""Logits where a loss is taken, and nowhere else."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import torch
from torch import Tensor, nn

from spice_select.gradients.batch import PaddedBatch
from spice_select.models.layers import output_head


def supervised_positions(model: nn.Module, batch: PaddedBatch, *, fewest: int = 0) -> AbstractContextManager[None]:
    """`positions_alone` of the predicting positions of a batch, for ``model(input_ids=batch.input_ids)``."""
    return positions_alone(model, batch.rows, batch.columns, fewest=fewest)


@contextmanager
def positions_alone(model: nn.Module, rows: Tensor, columns: Tensor, *, fewest: int = 0) -> Iterator[None]:
    """Let the output head, and whatever follows it, see some positions alone, as ``[1, n, hidden]``.

    Within it, the model's logits are ``[1, n, vocabulary]`` at int64 ``[n]`` `rows`, `columns`. The head itself is
    given `fewest` positions at least, the last one over and over (see `fewest_positions`).
    """
    n = len(rows)

    def gather(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden = args[0][rows, columns]
        if n < fewest:
            hidden = torch.cat([hidden, hidden[-1:].detach().expand(fewest - n, -1)])
        return (hidden[None], *args[1:])

    def cut(module: nn.Module, args: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        return logits[:, :n]

    head = output_head(model).module
    with ExitStack() as hooks:
        hooks.callback(head.register_forward_pre_hook(gather).remove)
        if n < fewest:
            hooks.callback(head.register_forward_hook(cut).remove)
        yield


def fewest_positions(device: torch.device) -> int:
    """How many positions a head must be given for its products to be as exact as float32 allows.

    For fewer than four rows a thread MKL takes a plainer kernel: sums over a vocabulary of 49 152 are off by 1e-4.
    """
    return min(16 * torch.get_num_threads(), 128) if device.type == "cpu" else 0
