"""Tiny models with the architectures and chat templates that people tune, as folders that `--model` takes."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from spice_select.testing.tokenizers import tiny_tokenizer

_SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 2048,
    "sliding_window": 64,
    "query_pre_attn_scalar": 8,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "vocab_size_per_layer_input": 64,
    "pad_token_id": None,
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of models.

    Attributes:
        architecture: what transformers calls it.
        template: file of its chat template, without the ending.
        eos: what ends an answer.
        bos: what begins a conversation.
        metaspace: whether spaces are written as "▁", as in the tokenizers of Llama 2, Mistral and Gemma.
        more: of the config.
    """

    architecture: str
    template: str
    eos: str
    bos: str = "<s>"
    metaspace: bool = False
    more: dict[str, Any] = field(default_factory=dict)


_LAYERS = {"layer_types": ["sliding_attention", "full_attention"]}
FAMILIES: dict[str, Family] = {
    "Llama 2": Family(architecture="llama", template="llama2", eos="</s>", metaspace=True),
    "Llama 3": Family(architecture="llama", template="llama3", eos="<|eot_id|>", bos="<|begin_of_text|>"),
    "Qwen 2": Family(architecture="qwen2", template="chatml", eos="<|im_end|>"),
    "Qwen 2.5": Family(architecture="qwen2", template="qwen2_5", eos="<|im_end|>"),
    "Qwen 3": Family(architecture="qwen3", template="qwen3", eos="<|im_end|>"),
    "Mistral": Family(architecture="mistral", template="mistral_v1", eos="</s>", metaspace=True),
    "Gemma 2": Family(architecture="gemma2", template="gemma", eos="<end_of_turn>", bos="<bos>", metaspace=True),
    "Gemma 3": Family(architecture="gemma3_text", template="gemma3", eos="<end_of_turn>", bos="<bos>", metaspace=True),
    "Phi-3": Family(architecture="phi3", template="phi3", eos="<|end|>"),
    "Phi-4": Family(architecture="phi3", template="phi_4", eos="<|im_end|>"),
    "OLMo 2": Family(architecture="olmo2", template="olmo2", eos="<|endoftext|>"),
    "SmolLM3": Family(
        architecture="smollm3",
        template="smollm3",
        eos="<|im_end|>",
        more={"layer_types": ["full_attention"] * 2, "no_rope_layers": [1, 0]},
    ),
    "gpt-oss": Family(architecture="gpt_oss", template="gptoss", eos="<|return|>", more=_LAYERS),
    "DeepSeek-R1-distill": Family(
        architecture="qwen2", template="deepseek_r1_distill", eos="<｜end▁of▁sentence｜>", bos="<｜begin▁of▁sentence｜>"
    ),
}
"""Which is made of what. Of the config only what the architecture knows is set."""

_OWN = {
    "llama2": (
        "{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'] "
        "+ ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + ' ' + eos_token }}"
        "{% else %}{{ raise_exception('no system turn here') }}{% endif %}{% endfor %}"
    ),
    "chatml": (
        "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\n"
        "You are a helpful assistant.<|im_end|>\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\n' + "
        "message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "olmo2": (
        "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] }}"
        "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% if not loop.last %}{{ '\n' }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
    "smollm3": (
        "{{ '<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nReasoning Mode: /no_think\n' "
        "+ '<|im_end|>\n' }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
        "{% if message['role'] == 'assistant' %}{{ '<think>\n\n</think>\n' }}{% endif %}{{ message['content'] + "
        "'<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
}
"""Layouts that no folder of templates has: short ones of our own, after what the models' cards say."""

_SPECIAL = re.compile(r"<[|｜][^<>\n{}'\"]{1,40}[|｜]>|<(?:start|end)_of_turn>|\[/?INST\]|<bos>|</?think>")


def template_of(family: Family, folders: list[Path]) -> str | None:
    """Its chat template: from the first folder that has the file, or one of our own; None where neither is."""
    found = next((path for folder in folders if (path := folder / f"{family.template}.jinja").is_file()), None)
    return found.read_text(encoding="utf-8") if found is not None else _OWN.get(family.template)


def write_family(family: Family, template: str, folder: Path) -> None:
    """Save a tiny model of random weights and its tokenizer, whose special tokens are those the template writes."""
    special = tuple(dict.fromkeys([family.bos, family.eos, *_SPECIAL.findall(template)]))
    tokenizer = tiny_tokenizer(
        template, bos=family.bos, eos=family.eos, special=special, vocab_size=512, metaspace=family.metaspace
    )
    default = AutoConfig.for_model(family.architecture)
    known = default.to_dict().keys() | default.attribute_map.keys() | family.more.keys()
    settings = {name: value for name, value in {**_SMALL, **family.more}.items() if name in known}
    size, ends = len(tokenizer), tokenizer.convert_tokens_to_ids([family.bos, family.eos])
    config = AutoConfig.for_model(
        family.architecture, **settings, vocab_size=size, bos_token_id=ends[0], eos_token_id=ends[1]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
