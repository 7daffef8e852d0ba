"""Tiny models of many families, from their own default configs made small."""

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from spice_select.testing.models import VOCABULARY

_SMALL: dict[str, object] = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), VOCABULARY),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim"), 16),
    **dict.fromkeys(("intermediate_size", "ffn_dim"), 24),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "head_dim", "rotary_dim"), 4),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 64),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_k"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "q_lora_rank", "kv_lora_rank"), 8),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "state_size", "chunk_size"), 4),
    **dict.fromkeys(("mamba_d_state", "mamba_d_conv", "linear_key_head_dim", "linear_value_head_dim"), 4),
    **dict.fromkeys(("n_group", "topk_group", "n_shared_experts", "first_k_dense_replace", "n_groups"), 1),
    **dict.fromkeys(("mamba_ngroups", "mamba_n_groups", "bos_token_id"), 1),
    **dict.fromkeys(("num_key_value_heads", "time_step_rank", "mamba_dt_rank", "linear_num_key_heads"), 2),
    **dict.fromkeys(("adapter_rank", "altup_num_inputs", "eos_token_id"), 2),
    "linear_num_value_heads": 4,
    "laurel_rank": 4,
    "hidden_size_per_layer_input": 4,
    "num_kv_shared_layers": 0,
    "query_pre_attn_scalar": 4,
    "sliding_window": 5,
    "final_logit_softcapping": 3.0,
    "pad_token_id": None,
}
FAMILIES: dict[str, dict[str, object]] = {
    "bitnet": {},
    "bloom": {},
    "cohere": {"logit_scale": 0.5},
    "cohere2": {"layer_types": ["sliding_attention", "full_attention"]},
    "deepseek_v2": {"num_key_value_heads": 4, "topk_method": "greedy"},
    "deepseek_v3": {"num_key_value_heads": 4},
    "ernie4_5_moe": {},
    "falcon": {"num_kv_heads": 4},
    "falcon_h1": {"mamba_d_ssm": 32, "mamba_n_heads": 8, "mamba_d_head": 4},
    "gemma3n_text": {"layer_types": ["sliding_attention", "full_attention"]},
    "glm4": {},
    "gpt_bigcode": {},
    "gpt_neo": {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 5},
    "gpt_oss": {"layer_types": ["sliding_attention", "full_attention"]},
    "gptj": {},
    "granite": {"logits_scaling": 3.0, "residual_multiplier": 0.5},
    "granitemoe": {},
    "hrm_text": {},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_expand": 2},
    "llama4_text": {"intermediate_size_mlp": 24, "layer_types": ["chunked_attention", "full_attention"]},
    "mamba": {"expand": 2},
    "mamba2": {"num_heads": 8, "head_dim": 4},
    "minimax": {"layer_types": ["full_attention", "full_attention"]},
    "mpt": {},
    "nemotron": {},
    "olmoe": {},
    "opt": {"dropout": 0.5},
    "phi": {"attention_dropout": 0.5, "resid_pdrop": 0.5},
    "phimoe": {},
    "qwen3_next": {"layer_types": ["linear_attention", "full_attention"]},
    "smollm3": {"layer_types": ["full_attention"] * 2, "no_rope_layers": [1, 0], "sliding_window": None},
    "stablelm": {},
    "starcoder2": {},
    "zamba2": {
        "num_hidden_layers": 4,
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "n_mamba_heads": 8,
        "mamba_headdim": 4,
        "attention_head_dim": 8,
        "attention_hidden_size": 32,
    },
}
"""Families that `spice_select.testing.models` has not, each with what else must be set."""


def tiny_family(name: str, **more: object) -> nn.Module:
    """A model of two layers, width 16, 61 tokens, with random weights; torch's global generator is left as it was."""
    default = AutoConfig.for_model(name)
    settings = {**_SMALL, **FAMILIES.get(name, {}), **more}
    known = default.to_dict().keys() | default.attribute_map.keys() | FAMILIES.get(name, {}).keys() | more.keys()
    config = AutoConfig.for_model(name, **{key: value for key, value in settings.items() if key in known})
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model: nn.Module = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for label, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0.0, 0.25)
            elif not label.endswith(("A_log", "dt_bias")):  # time constants must keep their range
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval().requires_grad_(False)
