"""Which executor a run gets."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spice_select.executors.base import Executor, LocalExecutor
from spice_select.executors.devices import FEATURE_WORKER, DeviceExecutor
from spice_select.executors.handed_out import HandedOut
from spice_select.executors.places import ProcessPlace
from spice_select.executors.settings import EngineSettings
from spice_select.executors.shared import SharedExecutor

if TYPE_CHECKING:
    from spice_select.executors.cluster import HelpingActors


def executor_for(
    folder: Path,
    meeting: Path,
    *,
    device: str,
    engine: EngineSettings = EngineSettings(),  # noqa: B008 - it is frozen
    tell: Callable[[str], None] = lambda sentence: None,
) -> Executor:
    """The engine that was asked for.

    Here that is several processes under torchrun or accelerate, a process for each GPU with ``--device auto``, else
    this one.

    Args:
        folder: the run folder.
        meeting: where processes that share it leave their marks; see `SharedExecutor`.
        device: as the settings have it.
        engine: who was asked for.
        tell: told in a sentence when a process is gone.
    """
    elsewhere = executor_elsewhere(folder, device=device, engine=engine, tell=tell)
    if elsewhere is not None:
        return elsewhere
    return _several_here(folder, meeting, device=device, tell=tell, worker=FEATURE_WORKER) or LocalExecutor()


def executor_elsewhere(
    folder: Path, *, device: str, engine: EngineSettings, tell: Callable[[str], None] = lambda sentence: None
) -> Executor | None:
    """That of a cluster or of nobody; None where the run computes for itself. Arguments as of `executor_for`."""
    if engine.engine == "parts":
        return HandedOut(folder=folder)
    if engine.engine == "ray":
        from spice_select.executors.cluster import RayExecutor

        return RayExecutor(folder=folder, device=device, asked=engine, tell=tell)
    return None


@contextlib.contextmanager
def shared_among(
    folder: Path,
    meeting: Path,
    *,
    device: str,
    helping: str,
    engine: EngineSettings = EngineSettings(),  # noqa: B008 - it is frozen
    tell: Callable[[str], None] = lambda sentence: None,
) -> Iterator[SharedExecutor | None]:
    """This process as the first of several on one run, for as many jobs as come; None where it is alone.

    Args:
        folder, meeting, device, engine, tell: see `executor_for`.
        helping: what the others do, as ``module:function``: an actor calls the function, with the run folder, its place
            and ``device=``; for each further GPU of this machine ``python -m module`` is run.
    """
    module, _, _ = helping.partition(":")
    several = (
        _on_actors(folder, meeting, device=device, helping=helping, engine=engine, tell=tell)
        if engine.engine == "ray"
        else _several_here(folder, meeting, device=device, tell=tell, worker=module)
    )
    if several is None:
        yield None
        return
    with several.present() as shared:
        yield shared


def _on_actors(
    folder: Path, meeting: Path, *, device: str, helping: str, engine: EngineSettings, tell: Callable[[str], None]
) -> "HelpingActors":
    from spice_select.executors.cluster import HelpingActors

    return HelpingActors(folder=folder, meeting=meeting, device=device, asked=engine, helping=helping, tell=tell)


def _several_here(
    folder: Path, meeting: Path, *, device: str, tell: Callable[[str], None], worker: str
) -> SharedExecutor | DeviceExecutor | None:
    """The processes of torchrun or accelerate, or one for each GPU; None where this one is alone."""
    place = ProcessPlace.of_environment()
    if place.world > 1:
        return SharedExecutor(folder=meeting, place=place, tell=tell)
    devices = visible_gpus() if device == "auto" else []
    if len(devices) > 1:
        command = (sys.executable, "-m", worker)
        return DeviceExecutor(folder=folder, meeting=meeting, devices=devices, tell=tell, worker=command)
    return None


def visible_gpus() -> list[str]:
    """``cuda:0``, ``cuda:1``, … as far as this process may see them."""
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
