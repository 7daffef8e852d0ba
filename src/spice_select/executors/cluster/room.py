"""What fits on a cluster, by what its nodes announce."""

from collections.abc import Mapping, Sequence
from typing import Any

from spice_select.errors import InputError


def fitting_workers(nodes: Sequence[Mapping[str, Any]], need: Mapping[str, float]) -> int:
    """How many workers fit on the living nodes, were they empty. `nodes` as `ray.nodes()` gives them."""
    room = (node["Resources"] for node in nodes if node["Alive"])
    return sum(min(int(own.get(name, 0) // amount) for name, amount in need.items()) for own in room)


def cores_as_here() -> dict[str, float]:
    """What an actor takes that works as this process: as many cores as it has threads, so that sums round alike."""
    import torch

    return {"num_cpus": torch.get_num_threads()}


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
    named = {"num_cpus": "CPU", "num_gpus": "GPU"}
    shown = {named.get(name, name): amount for name, amount in resources.items()}
    return ", ".join(f"{amount:g} {name}" for name, amount in shown.items() if name in ("CPU", "GPU")) or "no CPU"
