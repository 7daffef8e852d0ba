"""The best of a ranking under a budget and shares: what every method does that ranks rows one by one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates, Choice
from spice_select.methods.budget import Allowance
from spice_select.methods.quotas import rooms
from spice_select.selection import Stats, Stop
from spice_select.selection.result import reached_budget


def best_ranked(
    order: Iterable[int] | NDArray[np.int64],
    candidates: Candidates,
    allowance: Allowance,
    *,
    path: str,
    known: Mapping[str, NDArray[np.floating]] | None = None,
) -> Choice:
    """Take candidates in the order given as far as the allowance goes.

    Under shares a source that must still give rows is served before one that need not; what exceeds a source's share
    is passed over. A budget in tokens ends at the first row that no longer fits: to go on to shorter ones would favour
    them. Rows longer than the whole budget are passed over. Under shares of it every source ends where its own next row
    no longer fits into what is left to it.

    Args:
        order: every position among the candidates once, the best first; read no further than the allowance goes.
        candidates: their tokens and sources.
        allowance: how much may be taken.
        path: name of the algorithm, for the record.
        known: column → ``[n]``, what is known of each candidate; the choice keeps it of its picks.

    Cost: O(n), times the number of sources under shares of tokens.
    """
    order = order.tolist() if isinstance(order, np.ndarray) else order
    if allowance.tokens is not None and allowance.quotas:
        taken = _within_token_shares(order, candidates, allowance, allowance.tokens)
    elif allowance.tokens is not None:
        taken = _within_tokens(order, allowance.costs(candidates), allowance.tokens)
    elif allowance.quotas:
        taken = _within_shares(order, candidates, allowance)
    else:
        taken = list(islice(order, allowance.rows))
    indices = np.asarray(taken, np.int64)
    return Choice(
        indices=indices,
        columns={name: values[indices].astype(np.float64) for name, values in (known or {}).items()},
        pools=np.zeros(len(taken), np.int64),
        stop=_reached(allowance, indices, candidates),
        stats=Stats(path=path),
    )


def _reached(allowance: Allowance, chosen: NDArray[np.int64], candidates: Candidates) -> Stop:
    if allowance.tokens is None:
        return reached_budget(len(chosen))
    return used_up(allowance, int(allowance.costs(candidates)[chosen].sum()))


def used_up(allowance: Allowance, spent: int) -> Stop:
    """Why a choice under a budget in tokens ended: no row that it would take fits into what is left."""
    return Stop(
        reason="cost",
        sentence=f"{spent:,} of the budget of {allowance.tokens or 0:,} {allowance.unit} are used; the next row does "
        "not fit into the rest.",
    )


def _within_tokens(order: Iterable[int], costs: NDArray[np.int64], left: int) -> list[int]:
    taken, whole = [], left
    for position in order:
        tokens = int(costs[position])
        if left < tokens <= whole:
            break
        if tokens <= left:
            left -= tokens
            taken.append(position)
    return taken


def _within_token_shares(order: Iterable[int], candidates: Candidates, allowance: Allowance, left: int) -> list[int]:
    quotas, spent, taken = allowance.quotas, Counter[str](), list[int]()
    costs = allowance.costs(candidates)
    room = whole = rooms(quotas, left, spent)
    open_ = set(quotas)
    for position in order:
        source, tokens = candidates.groups[position], int(costs[position])
        if source not in open_ or tokens > whole[source]:
            continue
        if tokens > room[source]:
            open_.remove(source)
            if not open_:
                break
            continue
        taken.append(position)
        spent[source] += tokens
        left -= tokens
        room = rooms(quotas, left, spent)
    return taken


def _within_shares(order: Iterable[int], candidates: Candidates, allowance: Allowance) -> list[int]:
    counts: Counter[str] = Counter()
    owed = {source: quota.minimum for source, quota in allowance.quotas.items()}
    left, taken = allowance.rows or 0, []
    for position in order:
        source = candidates.groups[position]
        most = allowance.quotas[source].maximum
        if most is not None and counts[source] >= most:
            continue
        reserved = sum(owed.values())
        if left <= reserved and not owed[source]:
            continue  # what is left belongs to sources that must still give rows
        taken.append(position)
        counts[source] += 1
        owed[source] = max(0, owed[source] - 1)
        left -= 1
        if not left:
            break
    return taken
