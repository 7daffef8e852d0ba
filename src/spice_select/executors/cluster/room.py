"""What fits on a cluster, by what its nodes announce."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from spice_select.errors import InputError

_RAY_NAMES = {"num_cpus": "CPU", "num_gpus": "GPU"}


def fitting_workers(nodes: Sequence[Mapping[str, Any]], need: Mapping[str, float]) -> int:
    """How many workers fit on the living nodes, were they empty. `nodes` as `ray.nodes()` gives them."""
    room = (node["Resources"] for node in nodes if node["Alive"])
    return sum(min(int(own.get(name, 0) // amount) for name, amount in need.items()) for own in room)


def cores_as_here() -> dict[str, float]:
    """What an actor takes that works as this process: as many cores as it has threads, so that sums round alike."""
    import torch

    return {"num_cpus": torch.get_num_threads()}


def need_of(device: str) -> dict[str, float]:
    """What an actor that computes takes, as Ray's options have it: a GPU and a core, or `cores_as_here`."""
    return {"num_gpus": 1, "num_cpus": 1} if device.startswith("cuda") else cores_as_here()


def as_announced(need: Mapping[str, float]) -> dict[str, float]:
    """Ray's options by the names that nodes announce them under."""
    return {_RAY_NAMES[name]: amount for name, amount in need.items()}


def room_on(ray: Any, need: Mapping[str, float], *, wait: float) -> int:
    """How many workers fit, as soon as one does. `need` as Ray's options have it.

    Raises:
        InputError: none did for `wait` seconds.
    """
    began, need = time.monotonic(), as_announced(need)
    while True:
        nodes = ray.nodes()
        fitting = fitting_workers(nodes, need)
        if fitting:
            return fitting
        if time.monotonic() - began >= wait:
            raise no_room(nodes, need)
        time.sleep(1)


def living_nodes(nodes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Ray's names of the nodes that live."""
    return {str(node["NodeID"]) for node in nodes if node["Alive"]}


def no_room(nodes: Sequence[Mapping[str, Any]], need: Mapping[str, float]) -> InputError:
    """What is said where no worker fits on any node."""
    there = [_announced(node["Resources"]) for node in nodes if node["Alive"]]
    return InputError(
        f"no node of the cluster has room for a worker, which takes {_announced(need)}: "
        f"{len(there)} nodes, with {' | '.join(sorted(set(there))) or 'nothing'}. Start a node that has it, give "
        "--wait-for-workers SECONDS where one is coming, or let workers take less (OMP_NUM_THREADS, --device cpu)."
    )


def _announced(resources: Mapping[str, float]) -> str:
    return (
        ", ".join(f"{amount:g} {name}" for name, amount in resources.items() if name in _RAY_NAMES.values()) or "no CPU"
    )
