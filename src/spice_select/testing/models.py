"""Tiny causal language models built in code: the architectures people use, a thousandth of the size, no download."""

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from spice_select.errors import InputError, nearest

VOCABULARY = 61
"""Tokens of every tiny model: ids 0 … 60."""

_LLAMA_LIKE: dict[str, object] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": None,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_SETTINGS: dict[str, dict[str, object]] = {
    "llama": {**_LLAMA_LIKE, "tie_word_embeddings": True},
    "qwen2": {**_LLAMA_LIKE, "tie_word_embeddings": False},
    "qwen3": {**_LLAMA_LIKE, "head_dim": 8},
    "mistral": {**_LLAMA_LIKE, "sliding_window": 5},
    "gemma2": {
        **_LLAMA_LIKE,
        "head_dim": 4,
        "sliding_window": 5,
        "query_pre_attn_scalar": 4,
        "final_logit_softcapping": 3.0,
    },
    "gemma3_text": {**_LLAMA_LIKE, "head_dim": 4, "sliding_window": 5, "query_pre_attn_scalar": 4},
    "phi3": {**_LLAMA_LIKE, "sliding_window": 5},
    "gpt2": {
        "vocab_size": VOCABULARY,
        "n_embd": 16,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 64,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "gpt_neox": {
        **{key: value for key, value in _LLAMA_LIKE.items() if key != "num_key_value_heads"},
        "hidden_act": "gelu",
    },
    "olmo2": _LLAMA_LIKE,
    "mixtral": {**_LLAMA_LIKE, "num_local_experts": 4, "num_experts_per_tok": 2},
}
_ALIASES = {"gemma3": "gemma3_text"}
ARCHITECTURES = (
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "gemma2",
    "gemma3",
    "phi3",
    "gpt2",
    "gpt_neox",
    "olmo2",
    "mixtral",
)
"""The names `tiny_model` knows."""


def tiny_model(architecture: str, seed: int = 0) -> nn.Module:
    """A randomly initialised model of two layers, width 16 and 61 tokens, float32, in evaluation mode.

    Args:
        architecture: one of `ARCHITECTURES`.
        seed: of the weights; torch's global generator is left as it was.

    Raises:
        InputError: unknown architecture.
    """
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"tiny model {architecture!r}: known are {', '.join(ARCHITECTURES)}.{nearest(architecture, ARCHITECTURES)}"
        )
    name = _ALIASES.get(architecture, architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **_SETTINGS[name]))
        _spread_out(model)
    return model.eval().requires_grad_(False)


def _spread_out(model: nn.Module) -> None:
    """Larger weights, and biases and scales that are not 0 or 1, so that a missing term shows in the gradients."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0.0, 0.25)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
