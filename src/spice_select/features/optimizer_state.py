"""Adam's moments from a checkpoint of another tool: told apart by name where it has names, else by order."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spice_select.errors import InputError
from spice_select.gradients.preconditioner import AdamState, Moments
from spice_select.models.lora import adapter_weights

OPTIMIZERS = ("optimizer.pt", "optimizer.bin")
"""Files that transformers' Trainer leaves, alone and under FSDP (accelerate, whole state)."""
_WRAPPERS = ("_fsdp_wrapped_module.", "_orig_mod.", "_checkpoint_wrapped_module.")


def optimizer_file(checkpoint: Path) -> Path:
    """The optimizer's state in a checkpoint's folder, or where it is missed."""
    found = [checkpoint / name for name in OPTIMIZERS if (checkpoint / name).is_file()]
    return found[0] if found else checkpoint / OPTIMIZERS[0]


def read_optimizer(path: Path, model: nn.Module, *, allow_pickle: bool) -> AdamState:
    """Adam's moments from the optimizer's state in a checkpoint.

    Under FSDP, and where torch was given named parameters, the file says whose they are. Otherwise they are those of
    the adapter in the model's own order, in which transformers' Trainer gives them; number and shapes are checked.

    Raises:
        InputError: no such file, pickles not allowed, not Adam's, or of another adapter.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: the checkpoint holds no optimizer state ({' or '.join(OPTIMIZERS)}); give one saved with it, or "
            "--warmup-rows"
        )
    if not allow_pickle:
        raise InputError(
            f"{path}: a pickle, which can run code while it loads. It is read by torch's restricted reader only; allow "
            "that with --allow-pickle, or warm up with --warmup-rows"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        groups, states = [group for group in content["param_groups"] if group["params"]], content["state"]
        entries = [states[number] for group in groups for number in group["params"]]
        moments = [Moments(entry["exp_avg"], entry["exp_avg_sq"]) for entry in entries]
        steps = {int(entry["step"]) for entry in entries}
        kinds = {(*(float(beta) for beta in group["betas"]), float(group["eps"])) for group in groups}
        names = _names(groups)
    except (
        pickle.UnpicklingError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        EOFError,
        OSError,
    ) as error:
        cause = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: it is not the state of an Adam optimizer ({type(error).__name__}: {cause})"
        ) from error
    if len(steps) != 1 or len(kinds) != 1:
        raise InputError(
            f"{path}: its parameters made different numbers of steps, or have different betas ({sorted(steps)[:3]}, "
            f"{sorted(kinds)[:3]}), so there is no one state; give another checkpoint, or --warmup-rows"
        )
    if names is None and len(groups) != 1:
        raise InputError(f"{path}: its parameters are in {len(groups)} groups without names: which is which is unknown")
    own = _by_name(path, names, moments, model) if names is not None else _in_order(path, moments, model)
    ((beta1, beta2, eps),) = kinds
    return AdamState(moments=own, steps=steps.pop(), beta1=beta1, beta2=beta2, eps=eps)


def _names(groups: Sequence[Any]) -> list[str] | None:
    """The parameters' names, where the file has them: as `param_names`, or in the place of their numbers (FSDP)."""
    given = [name for group in groups for name in group.get("param_names", group["params"])]
    return [_plain(name) for name in given] if all(isinstance(name, str) for name in given) else None


def _plain(name: str) -> str:
    """A parameter's name without what wrappers put into it."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name.removeprefix("module.")


def _by_name(path: Path, names: Sequence[str], moments: Sequence[Moments], model: nn.Module) -> Mapping[str, Moments]:
    blocks = {id(parameter): block for block, parameter in adapter_weights(model).items()}
    known = {name: (blocks[id(p)], p) for name, p in model.named_parameters() if id(p) in blocks}
    found = {
        known[name][0]: m for name, m in zip(names, moments, strict=True) if name in known and _fits(m, known[name][1])
    }
    if len(found) != len(known) or len(names) != len(known):
        strange = [name for name in names if name not in known] or sorted(set(known) - set(names)) or names
        raise _of_another(path, len(names), len(known), f", or their names differ ({strange[0]})")
    return found


def _in_order(path: Path, moments: Sequence[Moments], model: nn.Module) -> Mapping[str, Moments]:
    blocks = {id(parameter): block for block, parameter in adapter_weights(model).items()}
    ordered = [parameter for parameter in model.parameters() if id(parameter) in blocks]
    if len(moments) != len(ordered) or not all(map(_fits, moments, ordered)):
        raise _of_another(path, len(moments), len(ordered), "")
    return {blocks[id(parameter)]: m for parameter, m in zip(ordered, moments, strict=True)}


def _fits(moments: Moments, parameter: Tensor) -> bool:
    return moments.first.shape == moments.second.shape == parameter.shape


def _of_another(path: Path, there: int, here: int, names: str) -> InputError:
    return InputError(
        f"{path}: it holds moments of {there} parameters, the adapter has {here}, or their shapes differ{names}; the "
        "optimizer trained something else"
    )
