"""The LoRA of a target, as PEFT takes it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING

from torch import nn

from spice_select.errors import InputError
from spice_select.models.layers import linear_layers
from spice_select.models.lora import lora_modules
from spice_select.training.settings import TrainSettings

if TYPE_CHECKING:
    from peft import LoraConfig


def lora_config(model: nn.Module, settings: TrainSettings) -> "LoraConfig":
    """PEFT's configuration: by default every linear layer but the output head, each by its whole name.

    PEFT's own ``all-linear`` takes more: experts fused into one tensor, routers (Llama 4 then fails), and layers whose
    weight is read without a call, where an adapter does nothing until it is merged (Jamba).

    Raises:
        InputError: a name in `lora_targets` matches no linear layer; the message gives the nearest.
    """
    from peft import LoraConfig

    layers = linear_layers(model, settings.lora_targets or None)
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=[layer.name for layer in layers],
        fan_in_fan_out=any(layer.transposed for layer in layers),
        bias="none",
        task_type="CAUSAL_LM",
        revision=getattr(model.config, "_commit_hash", None),  # of a model from the hub: its name alone says not which
    )


@contextmanager
def placing_lora(model: nn.Module, asked: Sequence[str]) -> Iterator[None]:
    """Around the code that lets PEFT adapt `model`: it must adapt the layers `asked` by name, and no others.

    Of some models PEFT refuses layers (Mamba's ``out_proj``); of others it takes names for those of fused experts
    (``gate_proj`` of DeepSeek).

    Raises:
        InputError: it did not; the message says what it would have done, and which layers could be named instead.
    """
    kind, names = type(model).__name__, sorted({name.rsplit(".", 1)[-1] for name in asked})
    remedy = f"Name the layers to adapt with --lora-targets, some of: {', '.join(names)}"
    try:
        yield
    except ValueError as error:
        if error.__traceback__ is None or "peft" not in _packages(error):
            raise
        cause = " ".join(str(error).split())
        raise InputError(f"PEFT cannot put a LoRA on these layers of {kind}: {cause} {remedy}.") from error
    adapted = set(lora_modules(model))
    extra, missing = sorted(adapted - set(asked)), sorted(set(asked) - adapted)
    if extra or missing:
        raise InputError(
            f"PEFT adapts other layers of {kind} than it was told: not {', '.join(missing[:3]) or 'fewer'}, but "
            f"{', '.join(extra[:3]) or 'nothing'} instead. {remedy}, those it mistook left out."
        )


def _packages(error: BaseException) -> set[str]:
    """The packages whose code an error came through."""
    return {str(frame.f_globals.get("__name__", "")).split(".")[0] for frame, _ in walk_tb(error.__traceback__)}
