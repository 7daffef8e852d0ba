"""The warmed-up adapters that a run keeps beside its gradients: one, or that of every checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from spice_select.features.warm import Warm, adam_state, is_warm, load_warm, save_warm
from spice_select.gradients.checkpoints import Checkpoint
from spice_select.models.lora import LoraSpec
from spice_select.store.tensors import PARAMETER, load_tensors, of_kind

WARM = "warm.safetensors"
"""The adapter at the end of its training."""


def warm_files(folder: Path, checkpoints: int = 1) -> list[Path]:
    """Where the adapters of so many checkpoints lie, in the order of the training, which is that of writing."""
    return [*(folder / f"warm-{number}.safetensors" for number in range(1, checkpoints)), folder / WARM]


def is_warmed(folder: Path, checkpoints: int = 1, *, origin: str | None = None) -> bool:
    """Whether all of `warm_files` are there; see `is_warm`."""
    return all(is_warm(path, origin=origin) for path in reversed(warm_files(folder, checkpoints)))


def save_warmed(
    folder: Path,
    warm: Warm,
    spec: LoraSpec,
    weights: Sequence[float],
    *,
    base: Mapping[str, str] | None = None,
    origin: str | None = None,
) -> None:
    """Write the adapter of every checkpoint as `save_warm` does, those of several with their weights."""
    assert warm.state is not None, "a warm-up has moments"
    if not warm.checkpoints:
        save_warm(folder / WARM, warm.model, warm.state, spec, base=base, origin=origin)
        return
    for path, checkpoint, weight in zip(warm_files(folder, len(weights)), warm.checkpoints, weights, strict=True):
        assert checkpoint.state is not None, "a warm-up has moments"
        checkpoint.put_on(warm.model)
        save_warm(path, warm.model, checkpoint.state, spec, base=base, origin=origin, weight=weight)


def load_warmed(folder: Path, checkpoints: int, model: nn.Module, *, moments: bool) -> Warm:
    """What `save_warmed` wrote, put on a model without adapters. Raises InputError as `load_warm`."""
    warm = load_warm(folder / WARM, model, moments=moments)
    if checkpoints == 1:
        return warm
    known = [load_tensors(path) for path in warm_files(folder, checkpoints)]
    found = [Checkpoint(of_kind(PARAMETER, own), adam_state(own, facts) if moments else None) for own, facts in known]
    return replace(warm, checkpoints=tuple(found))
