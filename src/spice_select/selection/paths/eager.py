"""Greedy that evaluates every open row at every pick, by the objective's own state: for objectives without bounds."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.objectives.base import ObjectiveState
from spice_select.selection.paths.ledger import Ledger, Problem, best_of, lowest_twin
from spice_select.selection.penalties.base import Penalty, PenaltyState, require_nonnegative
from spice_select.selection.result import Selection, Stats


class States:
    """An objective's and a penalty's state, moved together; `place` makes the former, where it is not as usual."""

    def __init__(self, problem: Problem, place: Callable[[Any], ObjectiveState] | None = None) -> None:
        features, objective = problem.features, problem.objective
        self.penalty: Penalty | None = problem.penalty if problem.weight > 0 else None
        self._penalty: PenaltyState | None = None if self.penalty is None else self.penalty.state(features.dense)
        rows = features.ready if objective.by_rows else features.dense
        self._objective: ObjectiveState = (place or objective.state)(rows)
        self.evaluations = 0

    def gains(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Δ of `rows`."""
        self.evaluations += len(rows)
        return self._objective.gains(rows)

    def gains_alone(self, n: int) -> NDArray[np.float64]:
        """F({x}) of all n rows, while none is in the set."""
        return self._objective.gains(np.arange(n))

    def penalties(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The unweighted penalties of `rows`, checked not to be negative."""
        if self._penalty is None:
            return np.zeros(len(rows))
        return require_nonnegative(self._penalty.values(rows), rows, self.penalty)

    def add(self, row: int) -> None:
        """Put a row into the set."""
        self._objective.add(row)
        if self._penalty is not None:
            self._penalty.add(row)

    def take_initial(self, problem: Problem, ledger: Ledger) -> None:
        """Enter the rows that are picked whatever their score."""
        for row in problem.initial:
            one = np.array([row])
            ledger.record(row, float(self.gains(one)[0]), float(self.penalties(one)[0]))
            self.add(row)


def run_eager(problem: Problem, place: Callable[[Any], ObjectiveState] | None = None) -> Selection:
    """Greedy, all open rows at every pick: O(k·n) gains. Right for any objective and any penalty; `place`: `States`."""
    ledger, states = Ledger(problem), States(problem, place)
    alone = states.gains_alone(problem.features.n)
    states.take_initial(problem, ledger)
    while not ledger.finished():
        rows = np.flatnonzero(ledger.allowed)
        gains, penalties = states.gains(rows), states.penalties(rows)
        at = best_of(problem, rows, gains, penalties)
        if ledger.refuses(float(gains[at]), float(penalties[at])):
            break
        row = lowest_twin(problem, ledger.allowed, int(rows[at]))
        ledger.record(row, float(gains[at]), float(penalties[at]))
        states.add(row)
    return ledger.selection(Stats(path="eager", evaluations=states.evaluations), alone)
