"""Logits where a loss is taken, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from spice_select.gradients.batch import PaddedBatch
from spice_select.models.layers import output_head


@contextmanager
def supervised_positions(model: nn.Module, batch: PaddedBatch) -> Iterator[None]:
    """Let the output head, and whatever follows it, see the predicting positions alone, as ``[1, n, hidden]``.

    Within it, ``model(input_ids=batch.input_ids).logits`` is ``[1, n, vocabulary]`` at `batch.rows`, `batch.columns`.
    """

    def gather(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0][batch.rows, batch.columns][None], *args[1:])

    handle = output_head(model).module.register_forward_pre_hook(gather)
    try:
        yield
    finally:
        handle.remove()
