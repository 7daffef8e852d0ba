"""The next token after texts that begin alike: what they share is read once, where the model keeps all of it."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer

from spice_select.data.records import Ids
from spice_select.gradients.batch import padded
from spice_select.gradients.head import fewest_positions, positions_alone
from spice_select.gradients.memory import is_out_of_memory
from spice_select.models.probe import text_model

_TOLD = {"attention_mask", "position_ids", "past_key_values"}
"""What a model must let itself be told to go on from texts of several lengths."""
_WINDOWS = ("sliding_window", "window_size", "attention_window", "attention_window_size")
"""How configurations call what lets a token see its neighbours alone, some in layers whose cache keeps everything."""
_ROUNDED = 0.5
"""Nats that half precision may differ by: two roundings of a logit of 32 in bfloat16 are an eighth each."""


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

    Not so: windows, states of a recurrent model, positions that it counts by itself, caches of its own making. Cost:
    five forward passes of a few tokens.
    """
    inner: Any = getattr(model, "get_base_model", lambda: model)()
    config = getattr(text_model(model), "config", None)
    if any(getattr(config, name, None) for name in _WINDOWS):
        return False
    if not inspect.signature(inner.forward).parameters.keys() >= _TOLD:
        return False
    try:
        return _keeps_all(model) and _goes_on_rightly(model)
    except Exception as error:  # whatever a model of its own making does when it is asked for a cache
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise
        return False


def _keeps_all(model: nn.Module) -> bool:
    read = torch.zeros(1, 4, dtype=torch.int64, device=next(model.parameters()).device)
    with torch.no_grad():
        cache = model(input_ids=read, use_cache=True).past_key_values
    if type(cache) is not DynamicCache or not cache.layers:
        return False
    return all(type(layer) is DynamicLayer and layer.get_seq_length() == 4 for layer in cache.layers)


def _goes_on_rightly(model: nn.Module) -> bool:
    """Two texts of unequal length, gone on from twice, beside the same read whole."""
    beginnings, endings = [np.arange(n, dtype=np.int32) for n in (3, 9)], [np.arange(n, dtype=np.int32) for n in (4, 2)]
    found = branched_log_probabilities(model, beginnings, endings, (0, 1))
    whole = [np.concatenate([begin, end]) for begin in beginnings for end in endings]
    off = np.abs(found.reshape(4, 2) - next_log_probabilities(model, whole, (0, 1))).max()
    exact = next(model.parameters()).dtype in (torch.float32, torch.float64)
    return bool(off < (1e-3 if exact else _ROUNDED))


def _asked(model: nn.Module, columns: Tensor, tokens: Sequence[int], **given: Any) -> Tensor:
    """The log-probabilities of tokens behind a column of each line, float64 ``[lines, tokens]``."""
    lines, fewest = torch.arange(len(columns), device=columns.device), fewest_positions(columns.device)
    with torch.no_grad(), positions_alone(model, lines, columns, fewest=fewest):
        logits = model(**given).logits.squeeze(0).float()
    asked = logits[:, torch.tensor(tokens, device=logits.device)] - torch.logsumexp(logits, 1, keepdim=True)
    return asked.double()
