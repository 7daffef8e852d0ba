"""Which rows of a finished run were compared with which picks: all with all, or within the pools that they met in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates
from spice_select.methods.budget import Allowance, Budget
from spice_select.methods.pool_shares import shares_of, windows_of
from spice_select.run.settings import SelectSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Meeting:
    """Rows that one choice was made from.

    Attributes:
        pool: its number in the last pass, from 0; 0 where all rows met at once.
        pools: how many there are.
        members: int64 ``[m]``, positions among the candidates.
        before: int64, picks of earlier pools that still counted; empty unless the state was carried.
        picks: int64, its own picks in the order picked, positions among the candidates.
        allowance: what it might take; None where that cannot be told afterwards.
        updates: of the proxy before its gradients were taken; None where the proxy stands still.
    """

    pool: int
    pools: int
    members: NDArray[np.int64]
    before: NDArray[np.int64]
    picks: NDArray[np.int64]
    allowance: Allowance | None
    updates: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Passed:
    """The rows that a run passed through its pools, usable or not, in ascending order.

    Attributes:
        rows, costs: int64 ``[n]``, their numbers, and what they take of a budget in tokens.
    """

    rows: NDArray[np.int64]
    costs: NDArray[np.int64]


def meetings_of(
    candidates: Candidates,
    passed: Passed,
    picks: NDArray[np.int64],
    pools: NDArray[np.int64],
    settings: SelectSettings,
) -> list[Meeting]:
    """All meetings of a run, in their order.

    Args:
        candidates: the rows that could be chosen.
        passed: the rows that pools were cut from: the candidates or, of a moving proxy, the unusable ones among them.
        picks: positions among the candidates, in the order picked.
        pools: the pool of each.
        settings: of the run.
    """
    budget, chosen, empty = Budget.parse(settings.selection.budget), settings.selection, np.empty(0, np.int64)
    if chosen.schedule == "global":
        whole, everyone = budget.allowance(len(candidates)), np.arange(len(candidates))
        return [Meeting(pool=0, pools=1, members=everyone, before=empty, picks=picks, allowance=whole)]
    moving = settings.interleaved if chosen.schedule == "interleaved" else None
    epoch = moving.epochs - 1 if moving else 0
    windows = windows_of(len(passed.rows), chosen.pool_size, chosen.seed, epoch=epoch)
    shares = shares_of(budget.allowance(len(passed.rows)), windows, passed.costs)
    met = list[Meeting]()
    for pool, window in enumerate(windows):
        own = picks[pools == pool]
        met.append(
            Meeting(
                pool=pool,
                pools=len(windows),
                members=np.flatnonzero(np.isin(candidates.rows, passed.rows[window])) if moving else window,
                before=picks[pools < pool] if moving and moving.carry_state else empty,
                picks=own,
                allowance=shares[pool] if budget.tokens is None else None,
                updates=(epoch * len(windows) + pool) // moving.update_every if moving else None,
            )
        )
    return met
