"""What was picked in many pools, as one choice."""

from collections.abc import Sequence

import numpy as np

from spice_select.methods import Choice
from spice_select.selection.pools import joined_stop


def joined(choices: Sequence[Choice], k: int, windows: int) -> Choice:
    """Pool after pool; `windows` pools in all, of which some may have been asked for no row.

    Args:
        choices: one or more, their indices already those of all candidates.
        k: rows asked for in all.
        windows: how many pools there are.
    """
    stats = choices[0].stats
    for choice in choices[1:]:
        stats = stats + choice.stats
    return Choice(
        indices=np.concatenate([choice.indices for choice in choices]),
        columns={name: np.concatenate([choice.columns[name] for choice in choices]) for name in choices[0].columns},
        pools=np.concatenate([choice.pools for choice in choices]),
        stop=joined_stop([choice.stop for choice in choices], k, windows),
        stats=stats,
    )
