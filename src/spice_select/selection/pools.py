"""The paper's schedule: pools of m rows, a few picks in each, everything reset in between."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from spice_select.errors import InputError
from spice_select.numerics.arrays import Rows
from spice_select.numerics.features import read
from spice_select.selection.greedy import greedy
from spice_select.selection.objectives.base import Objective
from spice_select.selection.paths.blocked.threads import single_threaded_blas
from spice_select.selection.result import Selection, Stop, reached_budget

_GLOBAL_ONLY = ("groups", "quotas", "cost_quotas", "forced", "excluded", "initial", "costs", "max_cost", "per_cost")


def pools(features: Any, k: int, *, pool_size: int = 120, seed: int = 0, **options: Any) -> Selection:
    """Pick k rows by greedy runs in consecutive windows of one seeded permutation of the rows.

    Fisher information and mean gradient start empty in every pool, and the k picks are spread over the pools as evenly
    as their sizes allow (the paper: 12 of every 120). Of rows that tie in a pool the lowest number wins. A stopping
    rule ends its pool, not the run. Pool by pool the rows stand in the order picked; `Selection.pools` numbers the
    pools from 0. O(n·pool_size·d) in all.

    Args:
        features: [n, d], as for `greedy`.
        k: how many rows in all.
        pool_size: rows in a pool; the last one may be smaller.
        seed: of the permutation.
        options: objective, penalty, stop and progress, as for `greedy`. Constraints are for global runs.

    Raises:
        InputError: as `greedy`; `pool_size` below 1; constraints given.
    """
    given = [name for name in options if name in _GLOBAL_ONLY]
    if given:
        raise InputError(f"{given[0]} with pools: constraints hold for a whole run. Use a global selection instead.")
    matrix = read(features)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= matrix.n:
        raise InputError(
            f"k={k!r}: the number of rows to pick must be a whole number from 1 to {matrix.n}, the rows there are."
        )
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed={seed!r}: the seed of the permutation must be a whole number, 0 or above.")
    shares = spread(k, window_sizes(matrix.n, pool_size))
    order = np.random.default_rng(seed).permutation(matrix.n)
    runs: list[Selection] = []
    with single_threaded_blas():  # once, not for every pool
        for number, share in enumerate(shares):
            if share:
                window = np.sort(order[number * pool_size : (number + 1) * pool_size])
                picked = greedy(matrix.take(window), share, **_within(window, options))
                runs.append(replace(picked, indices=window[picked.indices], pools=np.full(len(picked), number)))
    return _joined(runs, k, len(shares))


def _within(window: Rows, options: dict[str, Any]) -> dict[str, Any]:
    """The options where what the objective holds of each row is cut to the pool's rows."""
    objective = options.get("objective")
    return {**options, "objective": objective.of_rows(window)} if isinstance(objective, Objective) else options


def window_sizes(n: int, pool_size: int) -> list[int]:
    """The sizes of the consecutive windows that cover n rows."""
    if isinstance(pool_size, bool) or not isinstance(pool_size, int | np.integer) or pool_size < 1:
        raise InputError(f"pool_size={pool_size!r}: a pool must be a whole number of rows, 1 or more. The paper: 120.")
    return [min(pool_size, n - start) for start in range(0, n, pool_size)]


def spread(k: int, sizes: Sequence[int]) -> list[int]:
    """K over pools in proportion to their sizes: pool j's share ends at ⌊k·(sizes up to j)/(all sizes)⌋.

    In whole numbers of any length: tokens of a budget times those of a corpus do not fit into 64 bits.
    """
    ends = list(accumulate(map(int, sizes)))
    edges = [0, *(int(k) * end // ends[-1] for end in ends)]
    return [end - start for start, end in pairwise(edges)]


def _joined(runs: list[Selection], k: int, windows: int) -> Selection:
    """Pool by pool selections as one; `windows` pools in all, of which some may have been asked for no row."""
    names = ("indices", "gains", "bases", "conflicts", "penalties", "scores", "pools")
    arrays = {name: np.concatenate([getattr(run, name) for run in runs]) for name in names}
    stats = runs[0].stats
    for run in runs[1:]:
        stats = stats + run.stats
    return Selection(**arrays, stop=joined_stop([run.stop for run in runs], k, windows), stats=stats)


def joined_stop(stops: Sequence[Stop], k: int, windows: int) -> Stop:
    """Why many pools ended, in one sentence: by the budget of k rows, or the first of those that ended early."""
    early = [stop for stop in stops if stop.reason != "budget"]
    if not early:
        return reached_budget(k)
    return Stop(
        reason=early[0].reason,
        sentence=f"{len(early)} of {windows} pools ended early; in the first of them: {early[0].sentence}",
    )
