"""A tiny model, an adapter on it, and the two merged, on disk."""

import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM


def write_adapter(base: Path, folder: Path, *, seed: int = 0, tokenizer: bool = True) -> Path:
    """A LoRA adapter that changes what the model says, with the tokenizer beside it."""
    model = AutoModelForCausalLM.from_pretrained(base)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"]))
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    adapted.save_pretrained(folder)
    if tokenizer:
        copy_tokenizer(base, folder)
    return folder


def write_merged(base: Path, adapter: Path, folder: Path) -> Path:
    model = AutoModelForCausalLM.from_pretrained(base)
    PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().save_pretrained(folder)
    copy_tokenizer(base, folder)
    return folder


def copy_tokenizer(base: Path, folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (base / name).is_file():
            shutil.copy(base / name, folder / name)
