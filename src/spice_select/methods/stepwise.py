"""Orders that are made pick by pick, each pick for a price: no more of one is made than the budget takes."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates, Choice
from spice_select.methods.budget import Allowance
from spice_select.methods.greedily import work
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Advance, Progress
from spice_select.selection import ObjectiveState

TIE_OF_PICKS = 1e-9
"""Scores of two rows that differ by less of their scale are equal: the lower row number is taken."""
_BATCH = 256


def stepwise(
    order: Iterable[int],
    candidates: Candidates,
    allowance: Allowance,
    *,
    path: str,
    progress: Progress,
    known: Mapping[str, NDArray[np.floating]] | None = None,
) -> Choice:
    """`best_ranked` of an order that is still to be made, with a bar.

    `known` is read at the end, so that it may be filled in as the order goes.
    """
    total, unit = work(allowance, 0.0)
    prices = np.ones(len(candidates), np.int64) if allowance.tokens is None else allowance.costs(candidates)
    with progress.task("Selection", total, unit) as advance:
        return best_ranked(_told(order, prices, total, advance), candidates, allowance, path=path, known=known)


def _told(order: Iterable[int], prices: NDArray[np.int64], left: int, advance: Advance) -> Iterator[int]:
    for position in order:
        yield position
        done = min(left, int(prices[position]))  # what is passed over counts too, but never beyond the end
        left -= done
        advance(done)


def lowest_best(scores: NDArray[np.float64], allowed: NDArray[np.bool_], rows: NDArray[np.int64], slack: float) -> int:
    """The position of the best score among those allowed; of those within `slack` of it the lowest row number."""
    best = scores[allowed].max()
    near = np.flatnonzero(allowed & (scores >= best - slack))
    return int(near[rows[near].argmin()])


def lazily(state: ObjectiveState, rows: NDArray[np.int64]) -> Iterator[int]:
    """Positions by the largest marginal gain of a submodular objective, each once; equal gains by row number.

    A gain never grows, so a stale one bounds it: only rows whose bound reaches the best current gain are asked again
    (Minoux 1978). Exact but for the tie.

    Args:
        state: of the objective, at the empty set.
        rows: int64 ``[n]``, row numbers.

    Cost: n gains for the first pick, then as many as bounds require, and O(n) a pick.
    """
    bounds = state.gains(np.arange(len(rows)))
    allowed, fresh = np.ones(len(rows), bool), np.ones(len(rows), bool)
    while allowed.any():
        width = 1
        while len(stale := _reaching(bounds, allowed, fresh)):
            stale = stale[np.argsort(-bounds[stale], kind="stable")[:width]]
            bounds[stale], fresh[stale] = state.gains(stale), True
            width = min(2 * width, _BATCH)
        current = allowed & fresh
        pick = lowest_best(bounds, current, rows, TIE_OF_PICKS * abs(float(bounds[current].max())))
        yield pick
        allowed[pick] = False
        state.add(pick)
        fresh = bounds <= 0  # what gains nothing never will


def _reaching(bounds: NDArray[np.float64], allowed: NDArray[np.bool_], fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions whose stale bound is not below the best gain that is known."""
    best = bounds[allowed & fresh].max(initial=-np.inf)
    least = best - TIE_OF_PICKS * abs(best) if np.isfinite(best) else best
    return np.flatnonzero(allowed & ~fresh & (bounds >= least))
