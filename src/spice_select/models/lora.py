"""Where LoRA goes and how it begins: placement, rank and scale, and adapters made with PEFT."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spice_select.errors import InputError, SpiceError
from spice_select.models.layers import LinearLayer, in_last_blocks, linear_layers


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraSpec:
    """Low-rank adapters ``y = W x + (alpha/rank) · B A x`` (Hu et al. 2021, arXiv 2106.09685).

    Attributes:
        rank: rows of A and columns of B.
        alpha: numerator of the scale.
        targets: names of the adapted layers, whole or last parts; None for every linear layer but the output head.
        last_blocks: only those in the last so many transformer blocks; None for all.
        dropout: share of an adapter's inputs dropped while it is trained; gradients for a selection drop none.
    """

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] | None = None
    last_blocks: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError(f"LoRA rank {self.rank}: it must be at least 1; 8 to 64 are usual")
        if not 0 <= self.dropout < 1:
            raise InputError(f"LoRA dropout {self.dropout}: it must lie in [0, 1); the paper uses 0.05")

    @property
    def scale(self) -> float:
        """``alpha / rank``."""
        return self.alpha / self.rank

    def layers(self, model: nn.Module) -> list[LinearLayer]:
        """The layers of this model that are adapted; see `linear_layers` and `in_last_blocks` for the errors."""
        layers = linear_layers(model, self.targets)
        return layers if self.last_blocks is None else in_last_blocks(layers, self.last_blocks)


def attach_lora(model: nn.Module, spec: LoraSpec, initial_a: Mapping[str, Tensor]) -> nn.Module:
    """Put PEFT adapters into a model, B = 0 and A as given, and freeze everything else.

    The model is changed in place, as PEFT does; ``.unload()`` of the returned PEFT model takes the adapters out.

    Args:
        model: a causal language model without adapters.
        spec: placement, rank and scale.
        initial_a: for each adapted layer's name, A ``[rank, d_in]``.

    Returns:
        The ``peft.PeftModel``.

    Raises:
        InputError: no layer to adapt, or as `LoraSpec.layers`.
        SpiceError: PEFT adapted other layers than these.
    """
    from peft import LoraConfig, get_peft_model

    layers = spec.layers(model)
    if not layers:
        raise InputError(f"{type(model).__name__} has no linear layer that LoRA could adapt: give another model")
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,
        lora_dropout=spec.dropout,
        bias="none",
        task_type="CAUSAL_LM",
        target_modules=[layer.name for layer in layers],
        fan_in_fan_out=any(layer.transposed for layer in layers),
    )
    with warnings.catch_warnings(), _of_no_known_type(model):
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for names it is giving up
        adapted: nn.Module = get_peft_model(model, config)
    left_out = {layer.name for layer in layers} ^ set(lora_modules(adapted))
    if left_out:
        raise SpiceError(f"PEFT adapts other layers of {type(model).__name__} than it was told: {sorted(left_out)[:3]}")
    with torch.no_grad():
        for name, module in lora_modules(adapted).items():
            weight = module.lora_A["default"].weight  # type: ignore[index, union-attr]
            weight.copy_(initial_a[name].to(weight))
    return adapted


def order_names(adapted: nn.Module) -> None:
    """Have a PEFT model written with its layers' names sorted.

    PEFT holds them in a set, which every process writes in another order: equal adapters would be files of other bytes.
    """
    configs: Any = adapted.peft_config
    for config in configs.values():
        if isinstance(config.target_modules, set):
            config.target_modules = sorted(config.target_modules)


@contextmanager
def _of_no_known_type(model: nn.Module) -> Iterator[None]:
    """Let PEFT adapt the very layers that are named to it.

    Where it knows a model's type it reads names such as ``gate_proj`` as those of experts that have since been fused,
    adapts these, and leaves the layers of that name out (DeepSeek, Qwen2-MoE); or it refuses a layer for the sake of
    kernels that would not call it (Mamba), which `spice_select.models.probe` finds out by trial.
    """
    config: Any = getattr(model, "config", None)
    if getattr(config, "model_type", None) is None:
        yield
        return
    own = vars(config).get("model_type")  # most types have it from their class
    config.model_type = "plain"
    try:
        yield
    finally:
        del config.model_type
        if own is not None:
            config.model_type = own


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Let a PEFT model compute as it did without its adapters, dropout off; then everything is as it was."""
    peft: Any = model
    flags, training = [(parameter, parameter.requires_grad) for parameter in model.parameters()], model.training
    model.eval()
    try:
        with peft.disable_adapter():
            yield
    finally:
        for parameter, flag in flags:  # PEFT makes all of an adapter trainable that it turns on again
            parameter.requires_grad_(flag)
        model.train(training)


def lora_modules(model: nn.Module) -> dict[str, nn.Module]:
    """PEFT's LoRA layers by the name that the layer has in the model without adapters; empty where there are none."""
    from peft.tuners.lora import LoraLayer

    return {
        name.removeprefix("base_model.model."): module
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


def adapter_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Block name (``model.layers.0.mlp.up_proj.lora_B``) → parameter, of a PEFT model's active adapter."""
    found: dict[str, nn.Parameter] = {}
    for name, module in lora_modules(model).items():
        adapter: Any = module.active_adapters[0]  # type: ignore[index]
        for half in ("lora_A", "lora_B"):
            found[f"{name}.{half}"] = getattr(module, half)[adapter].weight
    return found
