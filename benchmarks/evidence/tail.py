"""The last blocks of a model by themselves: what the blocks below make of a row is computed once and kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.gradients.batch import PaddedBatch, padded_ids
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.losses import token_losses
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepRecipe


class Tail(nn.Module):
    """A PEFT model (of Llama's layout) whose adapters lie in its last blocks alone.

    Args:
        adapted: the model; it gives its lower blocks away.
        blocks: how many blocks are kept.
        keep_tokens: tokens of the rows that the lower blocks are given at once; each row by itself, if not given.
    """

    def __init__(self, adapted: Any, blocks: int, *, keep_tokens: int = 1) -> None:
        super().__init__()
        self._keep_tokens = keep_tokens
        self._device = next(adapted.parameters()).device
        self.adapted, self._inner = adapted, adapted.get_base_model().model
        layers = self._inner.layers
        self._lower, self._upper = layers[: len(layers) - blocks], layers[len(layers) - blocks :]
        self._inner.layers = self._upper
        self._kept: dict[str, Tensor] = {}

    def token_losses(self, examples: Sequence[Example]) -> tuple[Tensor, PaddedBatch]:
        """Cross-entropy of every supervised token of a batch, and the batch."""
        self._keep(examples)
        batch = PaddedBatch.of(examples, self._device)
        hidden = [self._kept[example.content_hash] for example in examples]
        with supervised_positions(self.adapted, batch):
            embedded = nn.utils.rnn.pad_sequence(hidden, batch_first=True)
            logits = self.adapted(inputs_embeds=embedded, use_cache=False).logits.squeeze(0)
        return token_losses(logits, batch.targets), batch

    @torch.no_grad()
    def losses(self, examples: Sequence[Example], *, batch_tokens: int) -> NDArray[np.float64]:
        """Each row's cross-entropy, summed over its supervised tokens: float64 ``[n]``."""
        sums = np.empty(len(examples))
        self.eval()
        with _adapters_cast(self.adapted):
            for positions in plan_batches([example.num_tokens for example in examples], token_budget=batch_tokens):
                found, batch = self.token_losses([examples[position] for position in positions])
                zeros = torch.zeros(batch.size, dtype=torch.float64, device=self._device)
                sums[positions] = zeros.index_add_(0, batch.rows, found.double()).cpu().numpy()
        return sums

    @torch.no_grad()
    def _keep(self, examples: Sequence[Example]) -> None:
        """Compute and keep what the lower blocks make of rows that are not known yet."""
        missing = [example for example in examples if example.content_hash not in self._kept]
        for places in plan_batches([example.num_tokens for example in missing], token_budget=self._keep_tokens):
            own = [missing[place] for place in places]
            ids, lengths = padded_ids(own, self._device)
            with self._as_lower():
                states = self._inner(input_ids=ids, use_cache=False).last_hidden_state
            for example, state, length in zip(own, states, lengths.tolist(), strict=True):
                self._kept[example.content_hash] = state[:length].clone()

    @contextmanager
    def _as_lower(self) -> Iterator[None]:
        norm = self._inner.norm
        self._inner.layers, self._inner.norm = self._lower, nn.Identity()
        try:
            yield
        finally:
            self._inner.layers, self._inner.norm = self._upper, norm


@contextmanager
def _adapters_cast(adapted: Any) -> Iterator[None]:
    """LoRA's A and B in the precision of the weights, as autocast has them: half of a pass went into casting for them.

    To read losses alone. A mean over 3,257 tokens changed by 8e-5; other batches change it by 7e-4.
    """
    layers = [module for module in adapted.modules() if hasattr(module, "lora_A") and hasattr(module, "base_layer")]
    for layer in layers:
        weight = layer.base_layer.weight
        a, b = (one["default"].weight.to(weight.dtype) for one in (layer.lora_A, layer.lora_B))
        layer.forward = partial(_adapted, layer.base_layer, a, b, layer.scaling["default"])
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _adapted(base: nn.Linear, a: Tensor, b: Tensor, scaling: float, hidden: Tensor) -> Tensor:
    """A linear layer and its LoRA."""
    rows = hidden.flatten(0, -2)
    found = torch.addmm(base(rows), rows @ a.T * scaling, b.T)
    return found.unflatten(0, hidden.shape[:-1])


class TailTrainer(ProxyTrainer):
    """`ProxyTrainer` on a `Tail`."""

    def __init__(self, tail: Tail, recipe: StepRecipe, *, total_steps: int, batch_tokens: int) -> None:
        super().__init__(tail, recipe, total_steps=total_steps, batch_tokens=batch_tokens)
        self._tail = tail

    def _piece_tokens(self, total: int) -> int:
        """As few pieces as the batch allows: a step is shared with nobody here."""
        return self._batch_tokens

    def _token_losses(self, examples: Sequence[Any]) -> Tensor:
        return self._tail.token_losses(examples)[0]
