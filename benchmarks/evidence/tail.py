"""The last blocks of a model by themselves: what the blocks below make of a row is computed once and kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.losses import token_losses
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepRecipe


class Tail(nn.Module):
    """A PEFT model (of Llama's layout) whose adapters lie in its last blocks alone.

    Args:
        adapted: the model; it gives its lower blocks away.
        blocks: how many blocks are kept.
    """

    def __init__(self, adapted: Any, blocks: int) -> None:
        super().__init__()
        self.adapted, self._inner = adapted, adapted.get_base_model().model
        layers = self._inner.layers
        self._lower, self._upper = layers[: len(layers) - blocks], layers[len(layers) - blocks :]
        self._inner.layers = self._upper
        self._kept: dict[str, Tensor] = {}

    def token_losses(self, examples: Sequence[Example]) -> tuple[Tensor, PaddedBatch]:
        """Cross-entropy of every supervised token of a batch, and the batch."""
        self._keep(examples)
        batch = PaddedBatch.of(examples, torch.device("cpu"))
        width = batch.input_ids.shape[1]
        hidden = [self._kept[example.content_hash][:width] for example in examples]
        with supervised_positions(self.adapted, batch):
            embedded = nn.utils.rnn.pad_sequence(hidden, batch_first=True)
            logits = self.adapted(inputs_embeds=embedded, use_cache=False).logits.squeeze(0)
        return token_losses(logits, batch.targets), batch

    @torch.no_grad()
    def losses(self, examples: Sequence[Example], *, batch_tokens: int) -> NDArray[np.float64]:
        """Each row's cross-entropy, summed over its supervised tokens: float64 ``[n]``."""
        sums = np.empty(len(examples))
        self.eval()
        for positions in plan_batches([example.num_tokens for example in examples], token_budget=batch_tokens):
            found, batch = self.token_losses([examples[position] for position in positions])
            sums[positions] = torch.zeros(batch.size).double().index_add_(0, batch.rows, found.double()).numpy()
        return sums

    @torch.no_grad()
    def _keep(self, examples: Sequence[Example]) -> None:
        missing = [example for example in examples if example.content_hash not in self._kept]
        for example in missing:
            with self._as_lower():
                ids = torch.from_numpy(example.input_ids.astype(np.int64))[None]
                self._kept[example.content_hash] = self._inner(input_ids=ids, use_cache=False).last_hidden_state[0]

    @contextmanager
    def _as_lower(self) -> Iterator[None]:
        norm = self._inner.norm
        self._inner.layers, self._inner.norm = self._lower, nn.Identity()
        try:
            yield
        finally:
            self._inner.layers, self._inner.norm = self._upper, norm


class TailTrainer(ProxyTrainer):
    """`ProxyTrainer` on a `Tail`."""

    def __init__(self, tail: Tail, recipe: StepRecipe, *, total_steps: int, batch_tokens: int) -> None:
        super().__init__(tail, recipe, total_steps=total_steps, batch_tokens=batch_tokens)
        self._tail = tail

    def _token_losses(self, examples: Sequence[Any]) -> Tensor:
        return self._tail.token_losses(examples)[0]
