"""Which rows meet when: pools from seeded permutations, picks spread over them, an update after every T pools."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.methods.budget import Allowance
from spice_select.methods.pool_shares import shares_of, token_share_faults, windows_of
from spice_select.run.feasible import pool_faults


@dataclass(frozen=True, eq=False)
class PlannedPool:
    """One pool.

    Attributes:
        number: from 0, counted through all epochs.
        epoch: which pass over the corpus it belongs to.
        cycle: how many updates of the proxy come before it.
        positions: int64 ``[m]``, its examples.
        share: how many are to be picked; under a budget in tokens how many would be if all were of the pool's mean
            length, at least one.
        allowance: the same as what a method may take: rows, or tokens before what earlier pools left.
    """

    number: int
    epoch: int
    cycle: int
    positions: NDArray[np.int64]
    share: int
    allowance: Allowance


@dataclass(frozen=True, eq=False)
class Plan:
    """All pools of a run.

    Attributes:
        pools: in the order they are met.
        epochs: passes over the corpus.
        step_rows: rows in one optimiser step at most; None for one step a cycle.
    """

    pools: tuple[PlannedPool, ...]
    epochs: int
    step_rows: int | None

    @property
    def cycles(self) -> int:
        """Updates of the proxy in all, the one after the last pool included."""
        return self.pools[-1].cycle + 1

    @property
    def total_steps(self) -> int:
        """Optimiser steps if every pool yields its share: what the learning rate is planned by."""
        return sum(self._planned)

    def first_step(self, cycle: int) -> int:
        """Number of the first step on what is picked after so many updates, as planned."""
        return sum(self._planned[:cycle])

    @cached_property
    def _planned(self) -> list[int]:
        """Steps of each cycle."""
        shares = [0] * self.cycles
        for pool in self.pools:
            shares[pool.cycle] += pool.share
        return [self._steps(share) for share in shares]

    def _steps(self, picks: int) -> int:
        return 1 if self.step_rows is None else -(-picks // self.step_rows)

    def steps_of(self, cycle: int, picks: int) -> list[slice]:
        """A cycle's picks cut into optimiser steps of like size, no more steps than the rate is planned for.

        A budget in tokens may buy more rows than planned, short ones: then steps hold more than `step_rows` of them,
        which have no more tokens than planned.
        """
        if picks == 0:
            return []
        count = min(self._steps(picks), self._planned[cycle])
        edges = [picks * step // count for step in range(count + 1)]
        return [slice(start, end) for start, end in itertools.pairwise(edges)]


def plan_pools(
    lengths: Sequence[int],
    whole: Allowance,
    *,
    pool_size: int,
    update_every: int,
    epochs: int,
    seed: int,
    step_rows: int | None,
) -> Plan:
    """Pools of `pool_size` from one seeded permutation of the examples for each epoch, the budget spread over each.

    A function of lengths and budget alone, so that a run that is resumed has the same plan. Epoch 0 sees the pools of a
    static run with the same seed. Updates are counted through: an epoch's last pools and the next one's first may share
    one.

    Raises:
        InputError: fewer picks than pools, so that some pool would yield nothing, or so few tokens that all would.
    """
    tokens, pools = np.asarray(lengths, np.int64), list[PlannedPool]()
    for epoch in range(epochs):
        windows = windows_of(len(tokens), pool_size, seed, epoch=epoch)
        if faults := _faults(whole, windows, tokens, pool_size):
            raise InputError(faults[0])
        for positions, share in zip(windows, shares_of(whole, windows, tokens), strict=True):
            number = len(pools)
            rows = _rows_of(share, tokens[positions])
            pools.append(PlannedPool(number, epoch, number // update_every, positions, rows, share))
    return Plan(tuple(pools), epochs, step_rows)


def _faults(
    whole: Allowance, windows: Sequence[NDArray[np.int64]], tokens: NDArray[np.int64], pool_size: int
) -> list[str]:
    if whole.tokens is None:
        return pool_faults(len(tokens), whole.rows or 0, pool_size)
    return token_share_faults(whole, windows, tokens)


def _rows_of(share: Allowance, tokens: NDArray[np.int64]) -> int:
    """Rows that a share is enough for, as long as the pool's are on average."""
    if share.tokens is None:
        return share.rows or 0
    return max(1, share.tokens * len(tokens) // int(tokens.sum()))
