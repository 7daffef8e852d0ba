"""What each pool may take of a budget, and a method asked pool after pool."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.progress import Silent
from spice_select.selection.pools import spread, window_sizes

USED_UP = frozenset({"budget", "cost", "exhausted"})
"""Reasons for which a pool ends by itself; any other is a rule that ended it early."""


def windows_of(n: int, pool_size: int, seed: int, *, epoch: int = 0) -> list[NDArray[np.int64]]:
    """The pools of a pass over n rows: positions, consecutive windows of one seeded permutation for each epoch.

    Each ascending, as candidates are: of rows that tie in a pool the lowest comes first.
    """
    order = np.random.default_rng(seed if epoch == 0 else (seed, epoch)).permutation(n)
    return [np.sort(window) for window in np.split(order, np.cumsum(window_sizes(n, pool_size))[:-1])]


def shares_of(whole: Allowance, windows: Sequence[NDArray[np.int64]], lengths: NDArray[np.int64]) -> list[Allowance]:
    """A budget over pools, exactly: rows in proportion to a pool's rows, tokens in proportion to its tokens."""
    if whole.tokens is None:
        return [Allowance(rows=rows) for rows in spread(whole.rows or 0, [len(window) for window in windows])]
    tokens = spread(whole.tokens, [int(lengths[window].sum()) for window in windows])
    return [Allowance(tokens=share, supervised=whole.supervised) for share in tokens]


def token_share_faults(whole: Allowance, windows: Sequence[NDArray[np.int64]], lengths: NDArray[np.int64]) -> list[str]:
    """What keeps a budget in tokens from buying a row in any of the pools, what earlier ones left included."""
    reach = 0
    for window, share in zip(windows, shares_of(whole, windows, lengths), strict=True):
        reach += share.tokens or 0
        if reach >= lengths[window].min():
            return []
    return [no_row_fits(whole, len(windows))]


def no_row_fits(whole: Allowance, windows: int) -> str:
    """A budget in tokens that buys nothing, with the remedy."""
    return (
        f"a budget of {whole.tokens:,} {whole.unit} over {windows} pools: no row fits into what a pool may take. Raise "
        "--budget or --pool-size."
    )


class PoolChooser:
    """A method asked pool after pool, each within its share; of a budget in tokens a pool's rest is the next one's.

    What is passed on depends on the picks alone, so that a run that is resumed passes on the same. What a stopping rule
    left is not passed on: it was to be saved.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self.tokens = 0  # what pools so far have left

    def choose(self, candidates: Candidates, share: Allowance, *, seed: tuple[int, ...]) -> Choice | None:
        """The choice from the pool's usable rows; None where none of them may be taken."""
        if share.tokens is None:
            rows = min(share.rows or 0, len(candidates))
            return self._chosen(candidates, Allowance(rows=rows), seed) if rows else None
        self.tokens += share.tokens
        costs = share.costs(candidates)
        if self.tokens < costs.min():
            return None
        choice = self._chosen(candidates, replace(share, tokens=self.tokens), seed)
        spent = int(costs[choice.indices].sum())
        self.tokens = self.tokens - spent if choice.stop.reason in USED_UP else 0
        return choice

    def _chosen(self, candidates: Candidates, allowance: Allowance, seed: tuple[int, ...]) -> Choice:
        return self.method.choose(candidates, allowance, seed=seed, progress=Silent())


def refuse_no_choice(choices: Sequence[Choice], whole: Allowance, windows: int) -> None:
    """Raise InputError where no pool gave a row: rows that turned out unusable may have been all that fitted."""
    if not choices:
        raise InputError(no_row_fits(whole, windows))
