"""What was picked in many pools, as one choice."""

from collections.abc import Sequence

import numpy as np

from spice_select.methods import Choice
from spice_select.methods.budget import Allowance
from spice_select.methods.pool_shares import USED_UP
from spice_select.selection import Stop
from spice_select.selection.pools import joined_stop


def joined(choices: Sequence[Choice], stop: Stop) -> Choice:
    """Pool after pool.

    Args:
        choices: one or more, their indices already those of all candidates.
        stop: why all of them ended; see `stop_of_pools`.
    """
    stats = choices[0].stats
    for choice in choices[1:]:
        stats = stats + choice.stats
    return Choice(
        indices=np.concatenate([choice.indices for choice in choices]),
        columns={name: np.concatenate([choice.columns[name] for choice in choices]) for name in choices[0].columns},
        pools=np.concatenate([choice.pools for choice in choices]),
        stop=stop,
        stats=stats,
    )


def stop_of_pools(stops: Sequence[Stop], whole: Allowance, spent: int, windows: int) -> Stop:
    """Why many pools ended, in one sentence.

    Args:
        stops: of each pool that was picked from.
        whole: the budget they shared.
        spent: tokens of all picks.
        windows: how many pools there are; some may have been asked for no row.
    """
    if whole.tokens is None:
        return joined_stop(stops, whole.rows or 0, windows)
    budget, left = f"{whole.tokens:,} {whole.unit}", f"{whole.tokens - spent:,}"
    used = f"{spent:,} of the budget of {budget} are used in {windows} pools; {left}"
    early = [stop for stop in stops if stop.reason not in USED_UP]
    if not early:
        return Stop(reason="cost", sentence=f"{used} are left.")
    ended = f"{len(early)} of them ended early, in the first: {early[0].sentence}"
    return Stop(reason=early[0].reason, sentence=f"{used} are left. {ended}")
