"""spice_select.greedy with a conflict penalty if a weight is given, on the widest path or that of a name."""

import os

from _timed import run

import spice_select.selection as spice
from spice_select.selection.objectives import OBJECTIVES


def select(features, k, alpha, weight, kernel, device, objective):
    if kernel:
        os.environ["SPICE_KERNEL"] = kernel
    path = None
    if device:
        from spice_select.selection.paths.blocked.on_device import blocked_on
        from spice_select.selection.paths.eager_on_device import eager_on

        path = (blocked_on if objective == "log-det" else eager_on)(device)
    penalty = spice.Conflict(weight=float(weight)) if float(weight) else None
    found = spice.greedy(features, k, objective=OBJECTIVES[objective](alpha=alpha), penalty=penalty, path=path)
    select.notes = {"path": found.stats.path, "flops": found.stats.flops, "refreshed": found.stats.refreshed}
    return found.indices


if __name__ == "__main__":
    run(select, options=[("weight", "0"), ("kernel", ""), ("device", ""), ("objective", "log-det")])
