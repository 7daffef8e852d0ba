"""Which rows meet when: pools from seeded permutations, picks spread over them, an update after every T pools."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.run.feasible import pool_faults
from spice_select.selection.pools import spread, window_sizes


@dataclass(frozen=True, eq=False)
class PlannedPool:
    """One pool.

    Attributes:
        number: from 0, counted through all epochs.
        epoch: which pass over the corpus it belongs to.
        cycle: how many updates of the proxy come before it.
        positions: int64 ``[m]``, its examples.
        share: how many are to be picked.
    """

    number: int
    epoch: int
    cycle: int
    positions: NDArray[np.int64]
    share: int


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
        return sum(len(self.steps_of(sum(p.share for p in self.pools if p.cycle == c))) for c in range(self.cycles))

    def steps_of(self, picks: int) -> list[slice]:
        """A cycle's picks cut into optimiser steps of like size."""
        if picks == 0:
            return []
        count = 1 if self.step_rows is None else -(-picks // self.step_rows)
        edges = [picks * step // count for step in range(count + 1)]
        return [slice(start, end) for start, end in itertools.pairwise(edges)]


def plan_pools(
    n: int, k: int, *, pool_size: int, update_every: int, epochs: int, seed: int, step_rows: int | None
) -> Plan:
    """Pools of `pool_size` from one seeded permutation of n examples for each epoch, k picks spread over each epoch.

    Epoch 0 sees the pools of a static run with the same seed. Updates are counted through: an epoch's last pools and
    the next one's first may share one.

    Raises:
        InputError: fewer picks than pools, so that some pool would yield nothing; numbers out of range.
    """
    sizes = window_sizes(n, k, pool_size)
    if faults := pool_faults(n, k, pool_size):
        raise InputError(faults[0])
    shares, ends = spread(k, sizes), np.cumsum(sizes)
    pools = []
    for epoch in range(epochs):
        order = np.random.default_rng(seed if epoch == 0 else (seed, epoch)).permutation(n)
        for window in range(len(sizes)):
            number = epoch * len(sizes) + window
            positions = order[ends[window] - sizes[window] : ends[window]]
            pools.append(PlannedPool(number, epoch, number // update_every, positions, int(shares[window])))
    return Plan(tuple(pools), epochs, step_rows)
