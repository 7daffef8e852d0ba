"""Adapters on disk and in models: let in is what is known to be W x + s·B A x on linear layers, all else is named.

PEFT has some forty settings for a LoRA, and each version adds more. Most change what is computed: a gradient taken by
the plain formula would then be wrong by a factor, in silence. So a setting that is not known here, with any other value
than that of leaving it out, is refused by its name.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from torch import nn

from spice_select.errors import InputError
from spice_select.models.contents import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from spice_select.models.layers import as_linear, output_head
from spice_select.models.lora import lora_modules
from spice_select.models.quiet import network, quiet_transformers

Use = Literal["gradients", "losses"]
"""What an adapter is loaded for. PEFT's own forward pass serves for losses, so there more is known to be right."""

_Rule = Callable[[Any], bool]


def _anything(value: Any) -> bool:
    return True


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _numbers_by_layer(rule: _Rule) -> _Rule:
    return lambda value: value is None or (isinstance(value, Mapping) and all(map(rule, value.values())))


_PLAIN: Mapping[str, _Rule] = {
    # recorded, and without a part in what is computed
    "peft_type": _anything,
    "peft_version": _anything,
    "task_type": lambda value: value in (None, "CAUSAL_LM"),
    "auto_mapping": _anything,
    "base_model_name_or_path": _anything,
    "revision": _anything,
    "inference_mode": _anything,
    "megatron_core": _anything,  # of use with megatron_config only
    "qalora_group_size": _anything,  # of use with use_qalora only
    # where it goes: the tensors say whether it went there
    "target_modules": _anything,
    "exclude_modules": _anything,
    "layers_to_transform": _anything,
    "layers_pattern": _anything,
    # s = alpha / r, or alpha / sqrt(r), layer by layer
    "r": _is_count,
    "lora_alpha": _is_number,
    "use_rslora": _is_flag,
    "rank_pattern": _numbers_by_layer(_is_count),
    "alpha_pattern": _numbers_by_layer(_is_number),
    "lora_dropout": _is_number,  # none is dropped when gradients and losses are taken
    "fan_in_fan_out": _is_flag,  # how the base stores its weight
    # how A and B began; others take their share out of the base's weights
    "init_lora_weights": lambda value: value in (None, True, False, "gaussian", "orthogonal"),
}
"""Settings that a plain LoRA may have, each with the values it may have."""
_FORWARD: Mapping[str, _Rule] = {
    "use_dora": _is_flag,
    "lora_bias": _is_flag,
    "bias": lambda value: value in ("none", "all", "lora_only"),
    "modules_to_save": _anything,
    "trainable_token_indices": _anything,
}
"""Further settings that PEFT's forward pass is right for, and the gradients of A and B alone are not."""
_LINEAR, _EMBEDDING = "peft.tuners.lora.layer.Linear", "peft.tuners.lora.layer.Embedding"
_MERGE = "Merge it into the weights and give the merged model, or give a plain LoRA"


def put_on(model: nn.Module, folder: Path, *, use: Use, base: str = "its base", flag: str = "--model") -> Any:
    """Put a PEFT adapter from disk on a model, and see that every tensor of it arrived.

    Args:
        model: without adapters; changed in place. For losses its embedding is resized where the adapter brings one of
            another size (tokens were added before it was trained).
        folder: with adapter_config.json and its weights; pickles are the caller's to allow.
        use: what for.
        base: what the model is called, for messages.
        flag: how the base is given, for messages.

    Returns:
        The ``peft.PeftModel`` in evaluation mode, nothing trainable.

    Raises:
        InputError: damaged, not plain (the setting is named), of another model, or tensors without a place.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    refuse_unplain_settings(folder, use=use)
    stored = _stored(folder)
    _fit_vocabulary(model, stored, folder, use)
    try:
        with quiet_transformers(), network(False), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what peft would warn of is asked below
            adapted: Any = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
    except (RuntimeError, ValueError, OSError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"adapter {folder}: it is damaged or does not fit {base} ({cause}); give the model it was trained on with "
            f"{flag}, or save it again"
        ) from error
    if use == "gradients":
        refuse_unplain_layers(adapted, f"adapter {folder}")
    else:
        _refuse_unknown_layers(adapted, folder)
    _refuse_lost(adapted, stored, folder, flag)
    return adapted.eval().requires_grad_(False)


def refuse_unplain_settings(folder: Path, *, use: Use) -> None:
    """Refuse an adapter by its adapter_config.json, before anything is loaded.

    Raises:
        InputError: no LoRA, or a setting that is not known to leave it plain; the message names setting and value.
    """
    settings = _settings(folder)
    kind = settings.get("peft_type")
    if kind != "LORA":
        raise InputError(
            f"adapter {folder}: it is of the kind {kind}; what is known here is a LoRA's A and B. {_MERGE}"
        )
    known = {**_PLAIN, **(_FORWARD if use == "losses" else {})}
    strange = [
        f"{name}={_shown(value)}"
        for name, value in sorted(settings.items())
        if not (known[name](value) if name in known else _left_out(name, value))
    ]
    if strange:
        why = (
            "gradients would not be those of W x + s·B A x"
            if use == "gradients"
            else "it is not known to compute the same here as where it was trained"
        )
        raise InputError(f"adapter {folder}: its {ADAPTER_CONFIG} has {', '.join(strange)}: {why}. {_MERGE}")


def refuse_unplain_layers(model: nn.Module, name: str | None = None) -> None:
    """Refuse adapters in a model in memory whose layers are not W x + s·B A x.

    Raises:
        InputError: it names the layer and what it is.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    shown = name or type(model).__name__
    head = _head(model)
    for place, module in model.named_modules():
        if isinstance(module, (BaseTunerLayer, AuxiliaryTrainingWrapper)):
            faults = ["it adapts the output head"] if module is head else _unplain(module)
            if faults:
                where = place.removeprefix("base_model.model.")
                raise InputError(
                    f"{shown}: {where}: {', '.join(faults)}; gradients are known for one plain, unmerged LoRA on "
                    f"linear layers. {_MERGE}"
                )


def _unplain(module: Any) -> list[str]:
    """What keeps an adapted layer from being W x + s·B A x; nothing for one that is."""
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    if kind != _LINEAR:
        return [f"an adapter of the class {type(module).__name__}"]
    adapters = list(module.active_adapters)
    adapter = adapters[0] if adapters else None
    variant = module.lora_variant.get(adapter)
    halves = [half[adapter] for half in (module.lora_A, module.lora_B) if adapter in half]
    faults = {
        "several active adapters": len(adapters) > 1,
        "no active adapter": not adapters,
        "no linear adapter": len(halves) != 2,
        "adapters that are switched off": bool(module.disable_adapters),
        f"the variant {type(variant).__name__.removesuffix('LinearVariant')}": variant is not None,
        "DoRA": bool(module.use_dora.get(adapter, False)),
        "lora_bias": any(getattr(half, "bias", None) is not None for half in halves),
        "merged weights": bool(module.merged),
        f"a base layer of the class {type(module.base_layer).__name__}, which computes more than W x": as_linear(
            "", module.base_layer
        )
        is None,
    }
    return [fault for fault, present in faults.items() if present]


def _refuse_unknown_layers(adapted: nn.Module, folder: Path) -> None:
    for place, module in lora_modules(adapted).items():
        kind = f"{type(module).__module__}.{type(module).__qualname__}"
        if kind not in (_LINEAR, _EMBEDDING):
            raise InputError(
                f"adapter {folder}: {place}: an adapter of the class {type(module).__name__}; known are those of "
                f"linear layers and embeddings. {_MERGE}"
            )


def _head(model: nn.Module) -> nn.Module | None:
    try:
        return output_head(model).module
    except InputError:
        return None  # a model without one is refused where its loss is due


def _settings(folder: Path) -> Mapping[str, Any]:
    from peft import PeftType

    path = folder / ADAPTER_CONFIG
    if not path.is_file():
        raise InputError(f"adapter {folder}: it holds no {ADAPTER_CONFIG}, so it is no PEFT adapter")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kind = content.get("peft_type")
        PeftType(kind)
    except (ValueError, AttributeError, OSError) as error:
        cause = " ".join(str(error).split())[:200]
        raise InputError(
            f"adapter {folder}: it is damaged or does not fit: its {ADAPTER_CONFIG} is no PEFT configuration "
            f"({cause}); save it again"
        ) from error
    settings: dict[str, Any] = content
    return settings


@cache
def _defaults() -> Mapping[str, Any]:
    """PEFT's settings of a LoRA, each with the value it has where it is left out."""
    from peft import LoraConfig

    return {
        field.name: field.default_factory() if field.default_factory is not MISSING else field.default
        for field in fields(LoraConfig)
    }


def _left_out(name: str, value: Any) -> bool:
    """Whether a setting says no more than if it were not there."""
    if value is None or value is False or value in ([], {}):
        return True
    default = _defaults().get(name)
    return bool(value == (vars(default) if hasattr(default, "__dict__") else default))


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _stored(folder: Path) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the tensors in an adapter's safetensors; empty where its weights are pickled."""
    from safetensors import SafetensorError, safe_open

    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        return {}
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"adapter {folder}: it is damaged or does not fit: its {ADAPTER_WEIGHTS} cannot be read ({error}); save it "
            "again"
        ) from error


def _fit_vocabulary(model: Any, stored: Mapping[str, tuple[int, ...]], folder: Path, use: Use) -> None:
    """Give the model as many tokens as the adapter brings rows for, where tokens were added before it was trained."""
    sizes = {kind: _rows_brought(model, kind, stored) for kind in ("input", "output")}
    brought = sizes["input"] or sizes["output"]
    if brought is None:
        return
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    rows = int(embedding.weight.shape[0])
    if brought == rows:
        return
    if use == "gradients":
        raise InputError(
            f"adapter {folder}: it was trained after the embedding was resized to {brought} rows, and the base has "
            f"{rows}. {_MERGE}"
        )
    tied = head is not None and head.weight is embedding.weight
    if sizes["input"] is None or (head is not None and not tied and sizes["output"] != brought):
        raise InputError(
            f"adapter {folder}: it was trained after the vocabulary was resized to {brought} rows, and brings only a "
            f"part of them (embedding {sizes['input']}, output head {sizes['output']}; the base has {rows}). Save it "
            "again with `save_embedding_layers=True`"
        )
    model.resize_token_embeddings(brought, mean_resizing=False)  # the new rows are the file's


def _rows_brought(model: Any, kind: str, stored: Mapping[str, tuple[int, ...]]) -> int | None:
    """Rows of the embedding, or of the output head, that are in an adapter's file."""
    module = getattr(model, f"get_{kind}_embeddings")()
    places = [place for place, other in model.named_modules() if other is module and module is not None]
    for place in places:
        for name in (f"base_model.model.{place}.weight", f"base_model.model.{place}.base_layer.weight"):
            if name in stored:
                return stored[name][0]
    return None


def _refuse_lost(adapted: Any, stored: Mapping[str, tuple[int, ...]], folder: Path, flag: str) -> None:
    """Refuse tensors that are in the file alone, and so were passed over, or in the model alone, and so untrained."""
    from peft import get_peft_model_state_dict

    if not stored:
        return
    due, there = set(get_peft_model_state_dict(adapted, save_embedding_layers=False)), set(adapted.state_dict())
    lost = sorted((stored.keys() - due - there) | (due - stored.keys()))
    if lost:
        raise InputError(
            f"adapter {folder}: {len(lost)} of its tensors and the model's do not go together (e.g. {lost[0]}): it was "
            f"trained on a model of other layers; give its own base with {flag}"
        )
