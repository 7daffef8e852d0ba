"""The LoRA of a target, as PEFT takes it."""

from typing import TYPE_CHECKING

from torch import nn

from spice_select.models.layers import linear_layers
from spice_select.training.sft_settings import TrainSettings

if TYPE_CHECKING:
    from peft import LoraConfig


def lora_config(model: nn.Module, settings: TrainSettings) -> "LoraConfig":
    """PEFT's configuration: by default every linear layer but the output head.

    Raises:
        InputError: a name in `lora_targets` matches no linear layer; the message gives the nearest.
    """
    from peft import LoraConfig

    layers = linear_layers(model, settings.lora_targets or None)
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=list(settings.lora_targets) or "all-linear",
        fan_in_fan_out=any(layer.transposed for layer in layers),
        bias="none",
        task_type="CAUSAL_LM",
    )
