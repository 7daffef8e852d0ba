"""A second tiny model of another architecture and another tokenizer, on disk."""

from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from spice_select.testing.tokenizers import tiny_tokenizer


def write_other(folder: Path, *, metaspace: bool = True, seed: int = 1) -> Path:
    tokenizer = tiny_tokenizer(metaspace=metaspace)
    config = Qwen2Config(
        vocab_size=max(tokenizer.get_vocab().values()) + 1,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
