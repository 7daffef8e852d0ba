"""What a choice for all rows is told where many of them are copies."""

import numpy as np

from spice_select.methods.base import Candidates
from spice_select.selection.multiplicity import have_copies
from spice_select.settings.counted import counted

LOOKED_AT = 256
"""Rows of which copies are looked for: a share of a tenth is then known to ± 4 %, for some seconds of 100,000 rows."""
LEAST_COPIED = 0.1
"""Share of rows with a copy from which it is said: clean pools of 600 and 1,500 rows had .003, one of which seven rows
in ten were copies .85."""


def note_on_copies(candidates: Candidates) -> tuple[str, ...]:
    """That many rows have copies, by a look at some of them, and how those are left out; nothing where few have.

    Cost: 512·nd flops.
    """
    n = len(candidates)
    rows = np.sort(np.random.default_rng(0).choice(n, min(n, LOOKED_AT), replace=False))
    share = have_copies(candidates.matrix, rows).mean()
    if share < LEAST_COPIED:
        return ()
    return (
        f"Of {counted(len(rows), 'row')} looked at, {share:.0%} have a copy or nearly one in the pool (a cosine of "
        "gradients above 0.9), and a choice for all rows counts every copy. If they repeat one another in words, "
        "--without-suspects duplicate near-duplicate leaves the repeats out (a share as --budget is then of what is "
        "left): where seven rows in ten did, a choice with them was as good as random rows, one without them better.",
    )
