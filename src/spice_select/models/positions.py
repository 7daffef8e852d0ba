"""How long a row may be: the end of a table of positions, or of rotary frequencies that do not depend on the batch."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from spice_select.models.probe import text_model

_TABLE = re.compile(r"(^|\.)(wpe|embed_positions|position_embeddings?)$")


@dataclass(frozen=True, slots=True, order=True)
class RowLimit:
    """The longest row a model can be given.

    Attributes:
        tokens: its length.
        reason: what is wrong with a longer one, to stand after "beyond n tokens".
    """

    tokens: int
    reason: str


def row_limit(model: nn.Module) -> RowLimit | None:
    """The longest row that has positions, and these whatever else is in its batch or came before it.

    Learned positions end with their table (GPT-2, OPT). Beyond the length of its first training, LongRoPE changes the
    frequencies of a whole batch with its longest row (Phi-3 128k), and dynamic NTK scaling keeps those of the longest
    batch so far.

    Returns:
        None where no length is too long.
    """
    shifts = "its rotary frequencies change with the longest row of a batch, so numbers would depend on neighbours"
    text = text_model(model)
    shifting = (RowLimit(tokens, shifts) for module in text.modules() for tokens in _rotary(module))
    return min((limit for limit in (table_limit(model), *shifting) if limit is not None), default=None)


def table_limit(model: nn.Module) -> RowLimit | None:
    """The longest row that has learned positions (GPT-2, OPT); None where there is no table of them."""
    ends = "the model has no positions"
    return min((RowLimit(tokens, ends) for tokens in _tables(text_model(model))), default=None)


def context_length(model: nn.Module) -> int | None:
    """The most tokens that a text may have for the model to read it as it was trained to; None where none is known."""
    limit, said = row_limit(model), getattr(getattr(text_model(model), "config", None), "max_position_embeddings", None)
    return min((length for length in (said, limit and limit.tokens) if length), default=None)


def _tables(model: nn.Module) -> Iterator[int]:
    """Positions in tables of them; a table may hold more entries than positions (OPT two, RoBERTa its padding's)."""
    most = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and _TABLE.search(name):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            yield min(module.num_embeddings - unused, most or module.num_embeddings)
    for name, buffer in model.named_buffers():
        if _TABLE.search(name):
            yield len(buffer)


def _rotary(module: Any) -> list[int]:
    kinds, config = getattr(module, "rope_type", None), getattr(module, "config", None)
    everything = getattr(config, "rope_parameters", None) or {}
    found = []
    for layer, kind in kinds.items() if isinstance(kinds, dict) else [(None, kinds)]:
        parameters = everything if layer is None else everything.get(layer, {})
        if kind == "longrope" or "dynamic" in str(kind):
            first = parameters.get("original_max_position_embeddings")
            found += [int(n) for n in (first, getattr(module, "original_max_seq_len", None)) if n is not None]
    return found
