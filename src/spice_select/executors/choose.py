"""Which executor a run gets."""

from collections.abc import Callable
from pathlib import Path

from spice_select.executors.base import Executor, LocalExecutor
from spice_select.executors.devices import DeviceExecutor
from spice_select.executors.places import ProcessPlace
from spice_select.executors.shared import SharedExecutor


def executor_for(
    folder: Path, meeting: Path, *, device: str, tell: Callable[[str], None] = lambda sentence: None
) -> Executor:
    """Several processes under torchrun or accelerate, a process for each GPU with ``--device auto``, else this one.

    Args:
        folder: the run folder.
        meeting: where processes that share it leave their marks; see `SharedExecutor`.
        device: as the settings have it.
        tell: told in a sentence when a process is gone.
    """
    place = ProcessPlace.of_environment()
    if place.world > 1:
        return SharedExecutor(folder=meeting, place=place, tell=tell)
    devices = visible_gpus() if device == "auto" else []
    if len(devices) > 1:
        return DeviceExecutor(folder=folder, meeting=meeting, devices=devices, tell=tell)
    return LocalExecutor()


def visible_gpus() -> list[str]:
    """``cuda:0``, ``cuda:1``, … as far as this process may see them."""
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
