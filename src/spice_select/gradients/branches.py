"""The next token after texts that begin alike: what they share is read once, where the model keeps all of it."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.cache_utils import DynamicLayer

from spice_select.data.records import Ids
from spice_select.gradients.batch import padded
from spice_select.gradients.head import fewest_positions, positions_alone

_TOLD = {"attention_mask", "position_ids", "past_key_values"}
"""What a model must let itself be told to go on from texts of several lengths."""


def next_log_probabilities(model: nn.Module, texts: Sequence[Ids], tokens: Sequence[int]) -> NDArray[np.float64]:
    """The log-probabilities (nats) of some tokens after each text, ``[texts, tokens]``.

    Cost: one forward pass; logits of one position a text.
    """
    ids, lengths = padded(texts, next(model.parameters()).device)
    return _asked(model, lengths - 1, tokens, input_ids=ids, use_cache=False).cpu().numpy()


def branched_log_probabilities(
    model: nn.Module, beginnings: Sequence[Ids], endings: Sequence[Ids], tokens: Sequence[int]
) -> NDArray[np.float64]:
    """`next_log_probabilities` of every beginning with every ending behind it, ``[beginnings, endings, tokens]``.

    Cost: forward passes of all beginnings once and of each ending behind each of them. For models that `goes_on` says
    can do so.
    """
    device = next(model.parameters()).device
    ids, lengths = padded(beginnings, device)
    seen = torch.arange(ids.shape[1], device=device) < lengths[:, None]
    first = lengths.new_zeros(1)
    with torch.no_grad(), positions_alone(model, first, first):
        cache = model(input_ids=ids, use_cache=True).past_key_values
    found = []
    for ending in endings:
        more = torch.from_numpy(ending.astype(np.int64)).to(device).expand(len(ids), -1)
        found.append(
            _asked(
                model,
                torch.full_like(lengths, len(ending) - 1),
                tokens,
                input_ids=more,
                attention_mask=torch.cat([seen, torch.ones_like(more, dtype=torch.bool)], 1).long(),
                position_ids=lengths[:, None] + torch.arange(len(ending), device=device),
                past_key_values=cache,
                use_cache=True,
            )
        )
        cache.crop(-len(ending))
    return torch.stack(found, 1).cpu().numpy()


def goes_on(model: nn.Module) -> bool:
    """Whether a model keeps all that it read, so that it can go on from there again and again.

    Not so: sliding windows, states of a recurrent model, and positions that it counts by itself. Cost: one forward
    pass of four tokens.
    """
    inner: Any = getattr(model, "get_base_model", lambda: model)()
    if not inspect.signature(inner.forward).parameters.keys() >= _TOLD:
        return False
    read = torch.zeros(1, 4, dtype=torch.int64, device=next(model.parameters()).device)
    with torch.no_grad():
        cache = model(input_ids=read, use_cache=True).past_key_values
    layers = getattr(cache, "layers", [])
    return bool(layers) and all(type(layer) is DynamicLayer and layer.get_seq_length() == 4 for layer in layers)


def _asked(model: nn.Module, columns: Tensor, tokens: Sequence[int], **given: Any) -> Tensor:
    """The log-probabilities of tokens behind a column of each line, float64 ``[lines, tokens]``."""
    lines, fewest = torch.arange(len(columns), device=columns.device), fewest_positions(columns.device)
    with torch.no_grad(), positions_alone(model, lines, columns, fewest=fewest):
        logits = model(**given).logits.squeeze(0).float()
    asked = logits[:, torch.tensor(tokens, device=logits.device)] - torch.logsumexp(logits, 1, keepdim=True)
    return asked.double()
