"""What `--select-shards` cannot be given with."""

from collections.abc import Mapping
from typing import Any

from spice_select.selection import LogDet, TargetInformation
from spice_select.selection.objectives import POOL_VARIANCES
from spice_select.settings.names import in_words

_OBJECTIVES = (LogDet.name, *(one.name for one in POOL_VARIANCES), TargetInformation.name)
"""Those that are picked exactly from rows on shards."""


def shard_faults(settings: Mapping[str, Any], objective: str, weight: float | str) -> list[str]:
    """A sentence for each clash; none where no shards are asked for.

    Args:
        settings: by flat name.
        objective: what is chosen by.
        weight: λ of the conflict penalty.
    """
    shards, schedule, penalised = settings["select_shards"], settings["schedule"], f"--conflict-weight {weight}"
    if shards is None:
        return []
    clash = {
        "without --engine ray: shards are actors of a Ray cluster": settings["engine"] != "ray",
        "with --gather: shards map a file of the run folder, which nodes do not see then": settings["gather"],
        f"with --schedule {schedule}: pools are chosen from one by one": schedule != "global",
        "with --select-device: shards choose on their CPUs": settings["select_device"] != "cpu",
        f"with --objective {objective}: over shards only {in_words(_OBJECTIVES)} are picked exactly": (
            objective not in _OBJECTIVES
        ),
        f"with {penalised}: over shards {objective} takes no penalty": weight and objective in _OBJECTIVES[1:],
        f"with {penalised} and --target: shards do not count a conflict with a target": (
            weight and objective == LogDet.name and settings["target"]
        ),
    }
    return [
        f"--select-shards {shards} {what}. Mend that, or leave --select-shards out."
        for what, there in clash.items()
        if there
    ]
