"""A choice for what rows tell over W shards in one process, counted: rounds, rows sent, and whose CPU seconds."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.selection.generators import features

from spice_select.selection import Objective, TargetInformation, TargetVariance, greedy
from spice_select.selection.partitioned import Shard, SpreadFeatures
from spice_select.selection.partitioned.spread import evenly


@dataclass(frozen=True, kw_only=True)
class ForetoldCase:
    """A kind of matrix of unit rows, its shape, the picks, W shards, rows of a target of two tasks (0: all rows)."""

    kind: str
    n: int
    d: int
    k: int
    shards: int
    target: int


FORETOLD = [
    ForetoldCase(kind=kind, n=20_000, d=256, k=500, shards=shards, target=target)
    for target in (0, 48)
    for kind in ("aniso", "heavy")
    for shards in (1, 4, 16)
]
FORETOLD_HEAD = (
    "| chosen for | data | n, d, k | W | picks a round | rows sent a pick | one process | leader | a shard | same |"
)


class Clocked(Shard):
    """A shard that counts its seconds of CPU."""

    seconds = 0.0

    def seek(self, terms: Any) -> None:
        """See `Shard`."""
        self._clocked(super().seek, terms)

    def foresee(self, past: Any, ahead: Any) -> Any:
        """See `Shard`."""
        return self._clocked(super().foresee, past, ahead)

    def gram(self) -> Any:
        """See `Shard`."""
        return self._clocked(super().gram)

    def _clocked(self, answer: Any, *question: Any) -> Any:
        began = time.process_time()
        found = answer(*question)
        self.seconds += time.process_time() - began
        return found


def foretold(case: ForetoldCase) -> dict[str, float | bool]:
    """`picks_a_round`, `rows_a_pick`, and CPU seconds: of one process, of the leader, of the slowest shard.

    `same`: whether the picks are those of one process, order included.
    """
    rows = features(case.kind, case.n, case.d).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    objective: Objective = TargetVariance()
    if case.target:
        tasks = [f"{2 * row // case.target}" for row in range(case.target)]
        objective = TargetInformation(target=features("aniso", case.target, case.d), tasks=tasks)
    edges = evenly(case.n, case.shards)
    spread = SpreadFeatures(lambda i: Clocked(rows[slice(*edges[i])], edges[i][0]), case.shards)
    began = time.process_time()
    found = greedy(spread, case.k, objective=objective)
    took = time.process_time() - began
    shards = [shard.seconds for shard in spread.shards if isinstance(shard, Clocked)]
    began = time.process_time()
    one = greedy(rows, case.k, objective=objective)
    alone = time.process_time() - began
    return {
        "picks_a_round": case.k / found.stats.rounds,
        "rows_a_pick": found.stats.rows_sent / case.k,
        "one_process_seconds": alone,
        "leader_seconds": took - sum(shards),
        "shard_seconds": max(shards),
        "same": found.indices.tolist() == one.indices.tolist(),
    }


def foretold_line(case: ForetoldCase, found: dict[str, float | bool]) -> str:
    """A line of the table."""
    aim = "two tasks" if case.target else "all rows"
    return (
        f"| {aim} | {case.kind} | {case.n:,}, {case.d}, {case.k} | {case.shards} "
        f"| {found['picks_a_round']:.1f} | {found['rows_a_pick']:.1f} | {found['one_process_seconds']:.1f} s | "
        f"{found['leader_seconds']:.1f} s | {found['shard_seconds']:.1f} s | {'yes' if found['same'] else 'no'} |"
    )
