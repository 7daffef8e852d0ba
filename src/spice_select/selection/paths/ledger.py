"""One run: what is asked (`Problem`), what has been picked so far (`Ledger`), and the one tie rule (`best_of`)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import Features
from spice_select.progress.meter import Meter
from spice_select.selection.constraints import Constraints, Eligibility
from spice_select.selection.objectives.base import Objective
from spice_select.selection.penalties.base import Penalty
from spice_select.selection.penalties.conflict import ETA
from spice_select.selection.result import Selection, Stats, Stop, reached_budget
from spice_select.selection.stopping import NextPick, StoppingRule
from spice_select.settings.counted import counted

_BEFORE = np.tri(128, k=-1)  # 1 where a pick comes before another
_BASES_AT_ONCE = 512
TIE = 1e-12  # scores within this of the best, relative to |gain| + penalty, tie; the lowest row number wins


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A validated request.

    Attributes:
        initial: rows to take first, in this order, whatever their score.
        per_cost: γ of the score / costᵞ that rows are ranked by; 0 for the score alone, 1 for the score per cost.
        meter: told how much of the budget is used: rows, or their costs where these are limited.
    """

    features: Features
    k: int
    objective: Objective
    penalty: Penalty | None
    stop: tuple[StoppingRule, ...]
    constraints: Constraints
    initial: tuple[int, ...]
    per_cost: float = 0.0
    meter: Meter | None = None

    @property
    def weight(self) -> float:
        """λ; 0 without a penalty."""
        return 0.0 if self.penalty is None else self.penalty.weight

    @cached_property
    def prices(self) -> NDArray[np.float64] | None:
        """Costᵞ of every row; None where scores are compared as they are.

        Made once for all rows: the power of one number alone may differ in the last bit from that in an array.
        """
        costs = self.constraints.costs
        return None if costs is None or self.per_cost == 0 else costs**self.per_cost

    def divisors(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float64] | float:
        """What scores are divided by before they are compared: the rows' prices, or 1."""
        return 1.0 if self.prices is None else self.prices[rows]


class Ledger:
    """The picks of one run: decides whether a pick stands, counts it, and closes the books into a `Selection`."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.open = Eligibility(problem.constraints, problem.k)
        self.rows: list[int] = []
        self.gains: list[float] = []
        self.penalties: list[float] = []
        self.stop: Stop | None = None

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """Bool [n]: the rows open to the next pick."""
        return self.open.allowed

    def record(self, row: int, gain: float, penalty: float) -> bool:
        """Enter a pick (penalty unweighted); True if it closed other rows too."""
        self.rows.append(row)
        self.gains.append(gain)
        self.penalties.append(self.problem.weight * penalty)
        closed = self.open.take(row)
        if self.problem.meter is not None:
            self.problem.meter.reached(self._used)
        return closed

    @property
    def _used(self) -> float:
        limit = self.problem.constraints.max_cost
        return limit - self.open.remaining if np.isfinite(limit) else len(self.rows)

    def refuses(self, gain: float, penalty: float) -> bool:
        """Whether the pick about to be made ends the run instead; `stop` then says why."""
        score = gain - self.problem.weight * penalty
        if not math.isfinite(score):
            self.stop = Stop(
                reason="non_finite",
                sentence=f"After {counted(len(self.rows), 'row')} the next score is {score}: the numbers ran out of "
                "range.",
            )
            return True
        if not self.problem.stop:
            return False
        first = self.gains[0] if self.gains else gain
        progress = NextPick(picked=len(self.rows), gain=gain, score=score, first_gain=first)
        for rule in self.problem.stop:
            self.stop = rule.check(progress)
            if self.stop is not None:
                return True
        return False

    def finished(self) -> bool:
        """Whether the budget is used up or no row is left; `stop` then says which."""
        if self.stop is not None:
            return True
        if len(self.rows) >= self.problem.k:
            self.stop = reached_budget(self.problem.k)
        elif self.open.exhausted:
            self.stop = self._nothing_left()
        return self.stop is not None

    def _nothing_left(self) -> Stop:
        limit = self.problem.constraints.max_cost
        if np.isfinite(limit):
            spent = limit - self.open.remaining
            return Stop(
                reason="cost",
                sentence=f"{spent:g} of the cost budget of {limit:g} is used; no row left costs as little as the rest.",
            )
        return Stop(reason="exhausted", sentence=f"No row is left to pick after {len(self.rows)}.")

    def selection(self, stats: Stats, alone: NDArray[np.float64] | None = None) -> Selection:
        """The run's result; conflicts are computed here, for the picks alone, and bases too unless all rows' are known.

        `alone`: F({x}) of every row, or of every pick in its place, float64 [n].
        """
        problem, rows = self.problem, np.array(self.rows, dtype=np.int64)
        stop = self.stop
        if stop is None:
            raise RuntimeError("a selection was closed before its run ended")
        if problem.meter is not None:
            problem.meter.close()
        gains, penalties = np.array(self.gains), np.array(self.penalties)
        return Selection(
            indices=rows,
            gains=gains,
            bases=_bases_of(problem, rows) if alone is None else alone[rows],
            conflicts=conflicts_along(problem.features, rows, _eta(problem.penalty)),
            penalties=penalties,
            scores=gains - penalties,
            pools=np.zeros(len(rows), dtype=np.int64),
            stop=stop,
            stats=stats,
        )


def best_of(
    problem: Problem,
    rows: NDArray[np.int64],
    gains: NDArray[np.float64],
    penalties: NDArray[np.float64],
) -> int:
    """Position in `rows` of the next pick: the best score, ties to the lowest row number (see `TIE`). O(|rows|).

    `rows` must be open. Penalties are unweighted.
    """
    weighted = problem.weight * penalties
    divisors = problem.divisors(rows)
    scores = (gains - weighted) / divisors
    best = int(np.argmax(scores))
    size = (abs(gains[best]) + weighted[best]) / (divisors if np.isscalar(divisors) else np.asarray(divisors)[best])
    tied = np.flatnonzero(scores >= scores[best] - TIE * size)
    return int(tied[np.argmin(rows[tied])]) if len(tied) else best


def lowest_twin(problem: Problem, allowed: NDArray[np.bool_], row: int) -> int:
    """The lowest open row identical to `row`: in features, cost and what else counts. It may be `row` itself."""
    twins = problem.features.twins.get(row)
    if twins is None:
        return row
    twins = twins[allowed[twins]]
    for known in (problem.constraints.costs, problem.objective.apart()):
        if known is not None:
            twins = twins[known[twins] == known[row]]
    return int(twins[0]) if len(twins) else row


def _bases_of(problem: Problem, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """F({x}) of each pick, some rows at a time: all of them in float64 may be more than the selection needed."""
    parts = [rows[i : i + _BASES_AT_ONCE] for i in range(0, len(rows), _BASES_AT_ONCE)] or [rows]
    return np.concatenate([problem.objective.gains(problem.features.ready, [], part) for part in parts])


def conflicts_along(features: Features, rows: Sequence[int] | NDArray[np.int64], eta: float) -> NDArray[np.float64]:
    """max(0, −cos(g_x, ḡ_S)) of each pick with the mean of the picks before it. O(kd)."""
    order = np.asarray(rows, dtype=np.int64)
    total, conflicts = np.zeros(features.d), np.zeros(len(order))
    for start in range(0, len(order), len(_BEFORE)):
        X = features.rows(order[start : start + len(_BEFORE)])
        sums = total + _BEFORE[: len(X), : len(X)] @ X  # of the picks before each: a product is quicker than np.cumsum
        means = sums / np.maximum(np.arange(start, start + len(X)), 1)[:, None]
        sizes = np.sqrt(np.einsum("ij,ij->i", X, X)) * np.sqrt(np.einsum("ij,ij->i", means, means))
        conflicts[start : start + len(X)] = np.maximum(0.0, -np.einsum("ij,ij->i", X, means) / (sizes + eta))
        total = total + X.sum(axis=0)
    return conflicts


def _eta(penalty: Penalty | None) -> float:
    return float(getattr(penalty, "eta", ETA))
