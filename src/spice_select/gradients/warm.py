"""A trained LoRA and its optimiser's state, on disk: our own safetensors file, or a Trainer's checkpoint with PEFT."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spice_select.errors import InputError
from spice_select.gradients.preconditioner import AdamState, Moments
from spice_select.models.lora import LoraSpec, attach_lora, lora_modules
from spice_select.store import atomic, explained, sha256

_PREFIXES = {"weight": "parameter:", "first": "exp_avg:", "second": "exp_avg_sq:"}
_FACTS = "warm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """A model with a trained adapter.

    Attributes:
        model: the PEFT model.
        state: its optimiser's moments; None where the checkpoint has none, or none were asked for.
    """

    model: nn.Module
    state: AdamState | None


def save_warm(path: Path, model: nn.Module, state: AdamState, spec: LoraSpec) -> None:
    """Write adapter and moments as one safetensors file, its SHA-256 beside it, whole or absent."""
    from safetensors.torch import save_file

    tensors = {f"{_PREFIXES['weight']}{name}": weight.detach() for name, weight in adapter_weights(model).items()}
    for name, moments in state.moments.items():
        tensors[f"{_PREFIXES['first']}{name}"] = moments.first
        tensors[f"{_PREFIXES['second']}{name}"] = moments.second
    facts = {name: getattr(state, name) for name in ("steps", "beta1", "beta2", "eps")} | {"alpha": spec.alpha}
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as aside:
        save_file({name: t.contiguous().cpu() for name, t in tensors.items()}, aside, {_FACTS: json.dumps(facts)})
        digest = sha256(aside)
    with atomic(path.with_suffix(".sha256")) as aside:
        aside.write_text(f"{digest}  {path.name}\n")


def is_whole(path: Path) -> bool:
    """Whether a file of `save_warm` is there and its bytes match the sum written with it."""
    recorded = path.with_suffix(".sha256")
    return path.is_file() and recorded.is_file() and recorded.read_text().split()[:1] == [sha256(path)]


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
    names = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "optimizer.pt")
    files = [path] if path.is_file() else [path / name for name in names if (path / name).is_file()]
    if not files:
        raise InputError(f"adapter {path}: there is no such file or PEFT folder; check the path")
    return "-".join(sha256(file)[:32] for file in files)


def adapter_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Block name (``model.layers.0.mlp.up_proj.lora_B``) → parameter, of a PEFT model's active adapter."""
    found: dict[str, nn.Parameter] = {}
    for name, module in lora_modules(model).items():
        adapter: Any = module.active_adapters[0]  # type: ignore[index]
        for half in ("lora_A", "lora_B"):
            found[f"{name}.{half}"] = getattr(module, half)[adapter].weight
    return found


def _load_file(path: Path, model: nn.Module, *, moments: bool) -> Warm:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            facts = json.loads((file.metadata() or {}).get(_FACTS, "null"))
    except SafetensorError as error:
        raise InputError(f"adapter {path}: damaged ({error}); make it again") from error
    parts = {kind: _with_prefix(tensors, prefix) for kind, prefix in _PREFIXES.items()}
    if facts is None or not parts["weight"]:
        raise InputError(f"adapter {path}: it was not written by a warm-up of ours; give a PEFT folder instead")
    halves = {name: weight for name, weight in parts["weight"].items() if name.endswith(".lora_A")}
    layers = [name.removesuffix(".lora_A") for name in halves]
    spec = LoraSpec(
        rank=min(int(weight.shape[0]) for weight in halves.values()), alpha=facts["alpha"], targets=tuple(layers)
    )
    adapted = attach_lora(model, spec, {layer: halves[f"{layer}.lora_A"] for layer in layers})
    with torch.no_grad():
        for name, weight in adapter_weights(adapted).items():
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

    if not (path / "adapter_config.json").is_file():
        raise InputError(f"adapter {path}: it holds no adapter_config.json, so it is no PEFT adapter")
    if not (path / "adapter_model.safetensors").is_file() and not allow_pickle:
        raise InputError(
            f"adapter {path}: it has no adapter_model.safetensors; pickled weights can run any code while they load: "
            "save the adapter again, or trust it with --allow-pickle"
        )
    try:
        adapted: Any = PeftModel.from_pretrained(model, str(path), is_trainable=False)
    except (RuntimeError, ValueError, OSError) as error:
        cause = " ".join(str(error).split())[:200]
        raise InputError(
            f"adapter {path}: it does not fit this model ({cause}); give its own base with --model"
        ) from error
    adapted.eval().requires_grad_(False)
    state = read_optimizer(path / "optimizer.pt", adapted, allow_pickle=allow_pickle) if moments else None
    return Warm(model=adapted, state=state)


def read_optimizer(path: Path, model: nn.Module, *, allow_pickle: bool) -> AdamState:
    """Adam's moments from the optimizer.pt of a Trainer's checkpoint.

    The file names no parameters; they are those of the adapter in the model's own order, which is checked by number
    and shapes.

    Raises:
        InputError: no such file, pickles not allowed, not Adam's, or of another adapter.
    """
    if not path.is_file():
        raise InputError(f"{path}: the checkpoint holds no optimizer state; give one saved with it, or --warmup-rows")
    if not allow_pickle:
        raise InputError(
            f"{path}: a pickle, which can run code while it loads. It is read by torch's restricted reader only; allow "
            "that with --allow-pickle, or warm up with --warmup-rows"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        group, states = _only_group(path, content["param_groups"]), content["state"]
        entries = [states[number] for number in group["params"]]
        first = [entry["exp_avg"] for entry in entries]
        second = [entry["exp_avg_sq"] for entry in entries]
        steps, (beta1, beta2) = int(entries[0]["step"]), group["betas"]
    except (pickle.UnpicklingError, KeyError, IndexError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: it is not the state of an Adam optimizer ({error!r})") from error
    names, shapes = _trained(model)
    if [tuple(tensor.shape) for tensor in first] != shapes:
        raise InputError(
            f"{path}: it holds moments of {len(first)} parameters, the adapter has {len(shapes)}, or their shapes "
            "differ; the optimizer trained something else"
        )
    moments = {name: Moments(m, v) for name, m, v in zip(names, first, second, strict=True)}
    return AdamState(moments=moments, steps=steps, beta1=float(beta1), beta2=float(beta2), eps=float(group["eps"]))


def _only_group(path: Path, groups: Sequence[Any]) -> Any:
    """The Trainer puts biases and norms in a second group, which a LoRA leaves empty."""
    full = [group for group in groups if group["params"]]
    if len(full) != 1:
        raise InputError(f"{path}: its parameters are in {len(full)} groups, so which is which cannot be told")
    return full[0]


def _trained(model: nn.Module) -> tuple[list[str], list[tuple[int, ...]]]:
    """Names and shapes of the adapter's parameters in the order in which an optimizer is given them."""
    names = {id(parameter): name for name, parameter in adapter_weights(model).items()}
    ordered = [parameter for parameter in model.parameters() if id(parameter) in names]
    return [names[id(parameter)] for parameter in ordered], [tuple(parameter.shape) for parameter in ordered]
