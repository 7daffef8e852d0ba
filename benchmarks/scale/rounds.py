"""A selection over W shards in one process, counted: rounds, passes over the rows, rows sent to the leader."""

import time
from dataclasses import dataclass

import numpy as np
from benchmarks.selection.generators import features

from spice_select.selection import Conflict, Selection, greedy
from spice_select.selection.partitioned import Leader, Shard, SpreadFeatures
from spice_select.selection.partitioned.spread import evenly
from spice_select.selection.paths.ledger import Problem


@dataclass(frozen=True, kw_only=True)
class SpreadCase:
    """A kind of matrix, its shape, the picks, λ, W shards and the largest block."""

    kind: str
    n: int
    d: int
    k: int
    weight: float
    shards: int
    block: int


def counted(case: SpreadCase) -> dict[str, float | bool]:
    """`picks_a_round`, `passes` (bounds refreshed / n), `of_eager` (flops / 2ndk), `rows_a_pick`, and seconds.

    `same`: whether the picks are those of one machine, order included.
    """
    rows = features(case.kind, case.n, case.d).astype(np.float32)
    edges, leaders = evenly(case.n, case.shards), list[Leader]()
    spread = SpreadFeatures(lambda i: Shard(rows[slice(*edges[i])], edges[i][0]), case.shards)

    def lead(problem: Problem) -> Selection:
        leaders.append(Leader(problem, block=case.block))
        return leaders[-1].selection()

    penalty, started = Conflict(case.weight) if case.weight else None, time.process_time()
    found = greedy(spread, case.k, penalty=penalty, path=lead)
    seconds = time.process_time() - started
    traffic, stats = leaders[0].traffic, found.stats
    return {
        "picks_a_round": case.k / traffic.rounds,
        "passes": stats.refreshed / case.n,
        "of_eager": stats.flops / (2.0 * case.n * case.d * case.k),
        "rows_a_pick": traffic.rows_sent / case.k,
        "cpu_seconds": seconds,
        "same": found.indices.tolist() == greedy(rows, case.k, penalty=penalty).indices.tolist(),
    }
