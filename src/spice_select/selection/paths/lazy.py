"""Lazy greedy for any monotone submodular objective with any penalty ≥ 0; exact, not approximate.

Bounds are stale *unpenalised* gains: a gain never grows and a penalty is never negative, so a stale gain bounds the
current score. A stale *penalised* score does not, because a conflict may shrink (Minoux, 1978, for λ = 0;
docs/selection.md has the proof and a counterexample).
"""

import heapq

import numpy as np

from spice_select.selection.paths.eager import States
from spice_select.selection.paths.ledger import TIE, Ledger, Problem, best_of, lowest_twin
from spice_select.selection.result import Selection, Stats

_LARGEST_BATCH = 32
_SAFETY = 1e-9  # a bound is inflated by this much, relatively: rounding may make a gain seem to grow by a few ulp


def run_lazy(problem: Problem) -> Selection:
    """Greedy over a queue of stale gains. The same picks as `run_eager`, with as few gains computed as bounds allow."""
    ledger, states = Ledger(problem), States(problem)
    states.take_initial(problem, ledger)
    queue = _queue(problem, ledger, states)
    while not ledger.finished():
        fresh = _refresh_until_sure(problem, ledger, states, queue)
        rows = np.array(sorted(fresh))
        gains = np.array([fresh[int(row)] for row in rows])
        penalties = states.penalties(rows)
        at = best_of(problem, rows, gains, penalties)
        if ledger.refuses(float(gains[at]), float(penalties[at])):
            break
        row = lowest_twin(problem, ledger.allowed, int(rows[at]))
        ledger.record(row, float(gains[at]), float(penalties[at]))
        states.add(row)
        for other, gain in fresh.items():
            _push(problem, queue, other, gain)
    return ledger.selection(Stats(path="lazy", evaluations=states.evaluations))


def _queue(problem: Problem, ledger: Ledger, states: States) -> list[tuple[float, int]]:
    rows = np.flatnonzero(ledger.allowed)
    queue: list[tuple[float, int]] = []
    for row, gain in zip(rows.tolist(), states.gains(rows).tolist(), strict=True):
        _push(problem, queue, row, gain)
    return queue


def _push(problem: Problem, queue: list[tuple[float, int]], row: int, gain: float) -> None:
    bound = (gain + _SAFETY * abs(gain)) / np.asarray(problem.divisors(np.array([row]))).item()
    heapq.heappush(queue, (-bound, row))


def _refresh_until_sure(
    problem: Problem, ledger: Ledger, states: States, queue: list[tuple[float, int]]
) -> dict[int, float]:
    """Current gains of every row whose bound reaches the best current score, ties included.

    Rows are evaluated in batches that double: a few more than one at a time would need, as a matrix product.
    """
    fresh: dict[int, float] = {}
    best, least, width = -np.inf, -np.inf, 1
    while rows := _next_rows(ledger, queue, fresh, least, width):
        batch = np.array(rows)
        gains, weighted = states.gains(batch), problem.weight * states.penalties(batch)
        fresh.update(zip(rows, gains.tolist(), strict=True))
        scores, sizes = gains - weighted, np.abs(gains) + weighted
        divisors = np.broadcast_to(problem.divisors(batch), scores.shape)
        at = int(np.argmax(scores / divisors))
        if scores[at] / divisors[at] > best:  # what ties is measured by the best alone: see `best_of`
            best = float(scores[at] / divisors[at])
            least = best - TIE * float(sizes[at] / divisors[at])
        width = min(_LARGEST_BATCH, 2 * width)
    return fresh


def _next_rows(
    ledger: Ledger, queue: list[tuple[float, int]], fresh: dict[int, float], least: float, width: int
) -> list[int]:
    """Take the next rows off the queue whose bounds reach `least`; none if there are none."""
    rows: list[int] = []
    while queue and len(rows) < width and -queue[0][0] >= least:
        row = heapq.heappop(queue)[1]
        if ledger.allowed[row] and row not in fresh and row not in rows:
            rows.append(row)
    return rows
