"""A trained LoRA and its optimiser's state, on disk: our own safetensors file, or a Trainer's checkpoint with PEFT."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spice_select.errors import InputError
from spice_select.features.optimizer_state import OPTIMIZERS, optimizer_file, read_optimizer
from spice_select.gradients.checkpoints import Checkpoint
from spice_select.gradients.preconditioner import AdamState, Moments
from spice_select.models.adapters import put_on
from spice_select.models.contents import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from spice_select.models.lora import LoraSpec, adapter_weights, attach_lora
from spice_select.models.recorded import read_record
from spice_select.store import sha256
from spice_select.store.tensors import (
    FIRST_MOMENT,
    PARAMETER,
    SECOND_MOMENT,
    as_kind,
    load_tensors,
    of_kind,
    read_facts,
    save_tensors,
    whole_facts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """A model with a trained adapter.

    Attributes:
        model: the PEFT model.
        state: its optimiser's moments; None where the checkpoint has none, or none were asked for.
        checkpoints: what the adapter was on the way, in order, where there are several; the last is what the model has.
    """

    model: nn.Module
    state: AdamState | None
    checkpoints: tuple[Checkpoint, ...] = ()


def save_warm(
    path: Path,
    model: nn.Module,
    state: AdamState,
    spec: LoraSpec,
    *,
    base: Mapping[str, str] | None = None,
    origin: str | None = None,
    weight: float | None = None,
) -> None:
    """Write adapter and moments as one safetensors file, its SHA-256 beside it, whole or absent.

    `base` are the sums of the model it was trained on; `origin` says what it was made from, so that `is_warm` tells it
    from that of another run; `weight`, what it weighs among several.
    """
    tensors = as_kind(PARAMETER, adapter_weights(model))
    tensors |= as_kind(FIRST_MOMENT, {name: moments.first for name, moments in state.moments.items()})
    tensors |= as_kind(SECOND_MOMENT, {name: moments.second for name, moments in state.moments.items()})
    facts = {name: getattr(state, name) for name in ("steps", "beta1", "beta2", "eps")}
    share = {} if weight is None else {"weight": weight}
    save_tensors(path, tensors, {**facts, "alpha": spec.alpha, "origin": origin, "base": dict(base or {}), **share})


def is_warm(path: Path, *, origin: str | None = None) -> bool:
    """Whether a file of `save_warm` is there, of this origin (None: any), and its bytes match the sum beside it."""
    facts = whole_facts(path)
    return facts is not None and origin in (None, facts.get("origin"))


def base_of(adapter: Path) -> dict[str, Any] | None:
    """What an adapter says of the model it was trained on, a file of `save_warm` or a PEFT folder; None for nothing.

    Raises:
        InputError: the folder's record is damaged.
    """
    if adapter.is_dir():
        return read_record(adapter)
    base = (read_facts(adapter) or {}).get("base")
    return base if base and isinstance(base, dict) else None


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
        inside = path / "model"
        if (inside / ADAPTER_CONFIG).is_file():
            raise InputError(f"adapter {path}: the folder of a training, whose adapter is in it: give {inside}")
        fault = "no adapter in it (no adapter_config.json)" if path.is_dir() else "there is no such file or PEFT folder"
        raise InputError(f"adapter {path}: {fault}; check the path")
    return "-".join(sha256(file)[:32] for file in files)


def _load_file(path: Path, model: nn.Module, *, moments: bool) -> Warm:
    from safetensors import SafetensorError

    try:
        tensors, facts = load_tensors(path)
        if facts and of_kind(PARAMETER, tensors):
            return _put_on(model, tensors, facts, moments=moments)
    except (SafetensorError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        cause = " ".join(str(error if isinstance(error, InputError) else repr(error)).split())[:200]
        raise InputError(
            f"adapter {path}: it is damaged or does not fit this model ({cause}); give its own base with --model, or "
            "make it again"
        ) from error
    raise InputError(f"adapter {path}: it was not written by a warm-up of ours; give a PEFT folder instead")


def _put_on(model: nn.Module, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, moments: bool) -> Warm:
    """The model with what a file of `save_warm` holds."""
    known = of_kind(PARAMETER, tensors)
    halves = {name: weight for name, weight in known.items() if name.endswith(".lora_A")}
    layers = [name.removesuffix(".lora_A") for name in halves]
    spec = LoraSpec(
        rank=min(int(weight.shape[0]) for weight in halves.values()), alpha=facts["alpha"], targets=tuple(layers)
    )
    adapted = attach_lora(model, spec, {layer: halves[f"{layer}.lora_A"] for layer in layers})
    weights = adapter_weights(adapted)
    if weights.keys() != known.keys():
        raise LookupError(f"halves without their other: {sorted(weights.keys() ^ known.keys())[:3]}")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(known[name].to(weight))
    adapted.requires_grad_(False)
    return Warm(model=adapted, state=adam_state(tensors, facts) if moments else None)


def adam_state(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> AdamState:
    """The moments that a file of `save_warm` holds."""
    first, second = of_kind(FIRST_MOMENT, tensors), of_kind(SECOND_MOMENT, tensors)
    own = {name: Moments(first[name], second[name]) for name in first}
    return AdamState(moments=own, steps=facts["steps"], beta1=facts["beta1"], beta2=facts["beta2"], eps=facts["eps"])


def _load_checkpoint(path: Path, model: nn.Module, *, moments: bool, allow_pickle: bool) -> Warm:
    if not (path / ADAPTER_CONFIG).is_file():
        raise InputError(f"adapter {path}: it holds no {ADAPTER_CONFIG}, so it is no PEFT adapter")
    if not (path / ADAPTER_WEIGHTS).is_file() and not allow_pickle:
        raise InputError(
            f"adapter {path}: it has no {ADAPTER_WEIGHTS}; pickled weights can run any code while they load: save the "
            "adapter again, or trust it with --allow-pickle"
        )
    adapted = put_on(model, path, use="gradients", base="this model")
    state = read_optimizer(optimizer_file(path), adapted, allow_pickle=allow_pickle) if moments else None
    return Warm(model=adapted, state=state)
