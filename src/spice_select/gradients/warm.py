"""A trained LoRA and its optimiser's state, on disk: our own safetensors file, or a Trainer's checkpoint with PEFT."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spice_select.errors import InputError
from spice_select.gradients.optimizer_state import OPTIMIZERS, optimizer_file, read_optimizer
from spice_select.gradients.preconditioner import AdamState, Moments
from spice_select.models.layers import output_head
from spice_select.models.lora import LoraSpec, adapter_weights, attach_lora, lora_modules
from spice_select.store import atomic, explained, is_whole, sha256, write_sum

_PREFIXES = {"weight": "parameter:", "first": "exp_avg:", "second": "exp_avg_sq:"}
_FACTS = "warm"  # one entry: several would come in an order of their own each time, and the bytes would differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """A model with a trained adapter.

    Attributes:
        model: the PEFT model.
        state: its optimiser's moments; None where the checkpoint has none, or none were asked for.
    """

    model: nn.Module
    state: AdamState | None


def save_warm(path: Path, model: nn.Module, state: AdamState, spec: LoraSpec, *, origin: str | None = None) -> None:
    """Write adapter and moments as one safetensors file, its SHA-256 beside it, whole or absent.

    `origin` says what it was made from, so that `is_warm` tells it from that of another run.
    """
    from safetensors.torch import save_file

    tensors = {f"{_PREFIXES['weight']}{name}": weight.detach() for name, weight in adapter_weights(model).items()}
    for name, moments in state.moments.items():
        tensors[f"{_PREFIXES['first']}{name}"] = moments.first
        tensors[f"{_PREFIXES['second']}{name}"] = moments.second
    facts = {name: getattr(state, name) for name in ("steps", "beta1", "beta2", "eps")}
    facts |= {"alpha": spec.alpha, "origin": origin}
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as aside:
        save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, aside, {_FACTS: json.dumps(facts)})
        digest = sha256(aside)
    write_sum(path, digest)


def is_warm(path: Path, *, origin: str | None = None) -> bool:
    """Whether a file of `save_warm` is there, of this origin (None: any), and its bytes match the sum beside it."""
    from safetensors import SafetensorError, safe_open

    if not is_whole(path):
        return False
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get(_FACTS, "{}"))
    except (SafetensorError, ValueError):
        return False
    return origin in (None, facts.get("origin"))


def load_warm(path: Path, model: nn.Module, *, moments: bool, allow_pickle: bool = False) -> Warm:
    """Put a trained adapter on a model.

    Args:
        path: a file of `save_warm`, or a folder with adapter_config.json, adapter_model.safetensors and, for moments,
            optimizer.pt (a checkpoint that transformers' Trainer wrote of a PEFT model).
        model: the model without adapters; changed in place.
        moments: whether the optimiser's state is wanted.
        allow_pickle: whether pickled files may be read, by torch's restricted reader (``weights_only=True``).

    Raises:
        InputError: nothing there, a file of another model, no moments where they are wanted, or a pickle that is not
            allowed.
    """
    if path.is_dir():
        return _load_checkpoint(path, model, moments=moments, allow_pickle=allow_pickle)
    if path.suffix != ".safetensors" or not path.is_file():
        raise InputError(
            f"adapter {path}: neither a safetensors file of ours nor a folder; give `gradients/warm.safetensors` of a "
            "run, or a checkpoint folder with adapter_config.json"
        )
    return _load_file(path, model, moments=moments)


def adapter_hash(path: Path) -> str:
    """SHA-256 (hex) over the files that `load_warm` reads: what a run's identity keeps of an adapter."""
    names = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", *OPTIMIZERS)
    files = [path] if path.is_file() else [path / name for name in names if (path / name).is_file()]
    if not files:
        raise InputError(f"adapter {path}: there is no such file or PEFT folder; check the path")
    return "-".join(sha256(file)[:32] for file in files)


def _load_file(path: Path, model: nn.Module, *, moments: bool) -> Warm:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            facts = json.loads((file.metadata() or {}).get(_FACTS, "{}"))
        parts = {kind: _with_prefix(tensors, prefix) for kind, prefix in _PREFIXES.items()}
        if facts and parts["weight"]:
            return _put_on(model, parts, facts, moments=moments)
    except (SafetensorError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        cause = " ".join(str(error if isinstance(error, InputError) else repr(error)).split())[:200]
        raise InputError(
            f"adapter {path}: it is damaged or does not fit this model ({cause}); give its own base with --model, or "
            "make it again"
        ) from error
    raise InputError(f"adapter {path}: it was not written by a warm-up of ours; give a PEFT folder instead")


def _put_on(
    model: nn.Module, parts: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any], *, moments: bool
) -> Warm:
    """The model with what a file of `save_warm` holds."""
    halves = {name: weight for name, weight in parts["weight"].items() if name.endswith(".lora_A")}
    layers = [name.removesuffix(".lora_A") for name in halves]
    spec = LoraSpec(
        rank=min(int(weight.shape[0]) for weight in halves.values()), alpha=facts["alpha"], targets=tuple(layers)
    )
    adapted = attach_lora(model, spec, {layer: halves[f"{layer}.lora_A"] for layer in layers})
    weights = adapter_weights(adapted)
    if weights.keys() != parts["weight"].keys():
        raise LookupError(f"halves without their other: {sorted(weights.keys() ^ parts['weight'].keys())[:3]}")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(parts["weight"][name].to(weight))
    adapted.requires_grad_(False)
    state = None
    if moments:
        own = {name: Moments(parts["first"][name], parts["second"][name]) for name in parts["first"]}
        state = AdamState(
            moments=own, steps=facts["steps"], beta1=facts["beta1"], beta2=facts["beta2"], eps=facts["eps"]
        )
    return Warm(model=adapted, state=state)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _load_checkpoint(path: Path, model: nn.Module, *, moments: bool, allow_pickle: bool) -> Warm:
    from peft import PeftModel
    from safetensors import SafetensorError

    if not (path / "adapter_config.json").is_file():
        raise InputError(f"adapter {path}: it holds no adapter_config.json, so it is no PEFT adapter")
    if not (path / "adapter_model.safetensors").is_file() and not allow_pickle:
        raise InputError(
            f"adapter {path}: it has no adapter_model.safetensors; pickled weights can run any code while they load: "
            "save the adapter again, or trust it with --allow-pickle"
        )
    try:
        adapted: Any = PeftModel.from_pretrained(model, str(path), is_trainable=False)
    except (RuntimeError, ValueError, OSError, LookupError, TypeError, SafetensorError) as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"adapter {path}: it is damaged or does not fit this model ({cause}); give its own base with --model, or "
            "save it again"
        ) from error
    _check_adapter(path, adapted)
    adapted.eval().requires_grad_(False)
    state = read_optimizer(optimizer_file(path), adapted, allow_pickle=allow_pickle) if moments else None
    return Warm(model=adapted, state=state)


def _check_adapter(path: Path, adapted: Any) -> None:
    """Refuse what PEFT loads and no gradient here would be right for."""
    kind = adapted.active_peft_config.peft_type.value
    if kind != "LORA" or not lora_modules(adapted):
        raise InputError(
            f"adapter {path}: it is of the kind {kind}; the gradients are those of a LoRA's A and B. Give a LoRA, or "
            "merge it into the weights and give the merged model with --model"
        )
    try:
        output_head(adapted)
    except InputError as error:
        raise InputError(
            f"adapter {path}: it adapts the output head or brings one of its own (modules_to_save), and the loss needs "
            "a plain one; give an adapter without, or merge it into the weights"
        ) from error
    lost = _lost_keys(path / "adapter_model.safetensors", adapted)
    if lost:
        raise InputError(
            f"adapter {path}: {len(lost)} of its tensors and the model's do not go together (e.g. {lost[0]}): it was "
            "trained on a model of other layers; give its own base with --model"
        )


def _lost_keys(weights: Path, adapted: Any) -> list[str]:
    """LoRA tensors that are in the file alone, and so were ignored, or in the model alone, and so are untrained."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    if not weights.is_file():
        return []
    with safe_open(weights, "pt") as file:
        stored = {name for name in file.keys() if ".lora_" in name}  # noqa: SIM118 - not a mapping
    return sorted(stored ^ {name for name in get_peft_model_state_dict(adapted) if ".lora_" in name})
