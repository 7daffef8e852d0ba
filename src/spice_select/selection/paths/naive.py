"""The oracle: every gain and every penalty of every row, from the definition, in float64, at every pick."""

import numpy as np

from spice_select.selection.paths.ledger import Ledger, Problem, best_of, lowest_twin
from spice_select.selection.penalties.base import require_nonnegative
from spice_select.selection.result import Selection, Stats


def run_naive(problem: Problem) -> Selection:
    """Greedy without a trick. For log det O(k·(kd² + d³ + nd²)); the paths that are fast are tested against it."""
    ledger, evaluations = Ledger(problem), 0
    features, objective, penalty = problem.features.dense, problem.objective, problem.penalty
    for row in problem.initial:
        one = np.array([row])
        gain = objective.gains(features, ledger.rows, one)[0]
        value = 0.0 if penalty is None else penalty.values(features, ledger.rows, one)[0]
        ledger.record(row, float(gain), float(value))
    while not ledger.finished():
        rows = np.flatnonzero(ledger.allowed)
        gains = objective.gains(features, ledger.rows, rows)
        penalties = np.zeros(len(rows))
        if penalty is not None:
            penalties = require_nonnegative(penalty.values(features, ledger.rows, rows), rows, penalty)
        evaluations += len(rows)
        at = best_of(problem, rows, gains, penalties)
        if ledger.refuses(float(gains[at]), float(penalties[at])):
            break
        ledger.record(lowest_twin(problem, ledger.allowed, int(rows[at])), float(gains[at]), float(penalties[at]))
    return ledger.selection(Stats(path="naive", evaluations=evaluations))
