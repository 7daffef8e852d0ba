"""spice_select.greedy, log det, with the conflict penalty if a weight is given."""

from _timed import run

import spice_select.selection as spice


def select(features, k, alpha, weight):
    penalty = spice.Conflict(weight=float(weight)) if float(weight) else None
    found = spice.greedy(features, k, objective=spice.LogDet(alpha=alpha), penalty=penalty)
    select.notes = {"path": found.stats.path, "flops": found.stats.flops, "refreshed": found.stats.refreshed}
    return found.indices


if __name__ == "__main__":
    run(select, options=[("weight", "0")])
