"""Greedy for a target from a shortlist: the rows that may be best are compared, the others only bounded. Exact.

A gain for a target may grow, but only as far as the picks since it was computed allow (`objectives.ceilings`). Each
round makes a shortlist of the rows with the highest ceilings, all of them fresh, and picks among them for as long as
the best beats the ceilings of all others. A round without a pick compares every row once, as `run_eager` does at every
pick.
"""

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.objectives.ceilings import Ceilings, PosteriorTurn
from spice_select.selection.objectives.target_information import TargetInformation, TargetInformationState
from spice_select.selection.paths.blocked.contenders import highest
from spice_select.selection.paths.ledger import TIE, Ledger, Problem, best_of, lowest_twin
from spice_select.selection.paths.twins import Twins
from spice_select.selection.result import Selection, Stats

SHORTLIST = 1024
_NEAR = 1024  # rows outside a shortlist that are bounded again and again
_AT_ONCE = 4  # times as many rows are looked at as make a shortlist, so that it is found after a few looks
_TAKEN_TOGETHER = 128  # rows that are picked whatever they gain


def run_shortlist(problem: Problem) -> Selection:
    """Greedy on `TargetInformation` without a penalty; the picks of `run_naive`."""
    if not isinstance(problem.objective, TargetInformation) or problem.weight > 0:
        raise TypeError("a shortlist is made for a target's information without a penalty, and for nothing else")
    return _Run(problem, problem.objective).selection()


class _Run:
    """One run: its picks, and the ceilings of all rows."""

    def __init__(self, problem: Problem, objective: TargetInformation) -> None:
        self._problem, self._ledger, self._alpha = problem, Ledger(problem), objective.alpha
        self._ceilings = objective.ceilings(problem.features.ready)
        self._twins = Twins(problem.features.twins, problem.constraints.costs)
        self._first_spreads = self._ceilings.spreads
        self._evaluations = problem.features.n

    def selection(self) -> Selection:
        """Run to the end."""
        ledger, initial = self._ledger, self._problem.initial
        for i in range(0, len(initial), _TAKEN_TOGETHER):
            self._take(np.array(initial[i : i + _TAKEN_TOGETHER]))
        while not ledger.finished():
            rows, others = self._shortlist()
            bar = _Bar(self._ceilings, self._problem, others)
            if not self._pick(rows, bar):
                self._pick(np.flatnonzero(ledger.allowed), None)
        return ledger.selection(Stats(path="shortlist", evaluations=self._evaluations), self._alone())

    def _alone(self) -> NDArray[np.float64]:
        """F({x}) of each pick, in its place among all rows, by the rows as they are seen already."""
        rows, alone = np.array(self._ledger.rows, dtype=np.int64), np.zeros(self._problem.features.n)
        state = TargetInformationState(self._ceilings.seen[rows], self._first_spreads, self._alpha)
        alone[rows] = state.gains(np.arange(len(rows)))
        return alone

    def _state(self, rows: NDArray[np.int64]) -> TargetInformationState:
        self._evaluations += len(rows)
        return TargetInformationState(self._ceilings.whitened(rows), self._ceilings.spreads, self._alpha)

    def _take(self, rows: NDArray[np.int64]) -> None:
        """Pick these rows in order, whatever they gain."""
        state = self._state(rows)
        for at, row in enumerate(rows.tolist()):
            self._ledger.record(row, float(state.gains(np.array([at]))[0]), 0.0)
            state.add(at)
        self._ceilings.absorb(rows, state.P)

    def _shortlist(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The rows of the highest ceilings, ascending and all fresh, and which rows stand outside (bool [n])."""
        ceilings, others = self._ceilings, self._twins.visible(self._ledger.allowed).copy()
        keys = ceilings.after(ceilings.unturned) / self._problem.divisors(slice(None))
        keys[~others] = -np.inf
        rows, _ = highest(keys, _AT_ONCE * SHORTLIST)
        while not ceilings.fresh[rows[:SHORTLIST]].all():
            stale = np.sort(rows[~ceilings.fresh[rows]])
            ceilings.refresh(stale)
            self._evaluations += len(stale)
            # These have fallen, and others stand above them now. A key only falls, so as many stand no lower than all.
            keys[stale] = ceilings.after(ceilings.unturned, stale) / self._problem.divisors(stale)
            rows, _ = highest(keys, _AT_ONCE * SHORTLIST, near=float(keys[rows].min(initial=np.inf)))
        rows = rows[:SHORTLIST]
        others[rows] = False
        return np.sort(rows), others

    def _pick(self, rows: NDArray[np.int64], bar: "_Bar | None") -> int:
        """Pick among these rows while the best is above the bar, or once if there is none; returns how many."""
        problem, ledger = self._problem, self._ledger
        state, picked = self._state(rows), list[int]()
        while not ledger.finished():
            here = np.flatnonzero(ledger.allowed[rows])
            if not len(here):
                break
            gains = state.gains(here)
            at = best_of(problem, rows[here], gains, np.zeros(len(here)))
            best, gain = rows[here[at : at + 1]], float(gains[at])
            least = float(np.squeeze(gain * (1 - TIE) / problem.divisors(best)))
            if (bar is not None and not bar.below(least, state, len(picked))) or ledger.refuses(gain, 0.0):
                break
            row = lowest_twin(problem, ledger.allowed, int(best[0]))
            closed = ledger.record(row, gain, 0.0)
            state.add(int(here[at]))
            picked.append(row)
            # A place whose row is no longer open stands for the next row that is identical to it.
            for place in here if closed else here[at : at + 1]:
                rows[place] = lowest_twin(problem, ledger.allowed, int(rows[place]))
            if bar is None:
                break
        if picked:
            self._ceilings.absorb(np.array(picked), state.P)
        return len(picked)


class _Bar:
    """What the rows outside may score for the next picks: the nearest of them bounded one by one, the rest together."""

    def __init__(self, ceilings: Ceilings, problem: Problem, outside: NDArray[np.bool_]) -> None:
        self._ceilings, self._problem, self._outside = ceilings, problem, outside
        self._reached = ceilings.unturned
        self._then = (0.0, 0.0, 0)  # what was counted when `_reached` was measured
        self._ahead = 1  # so many picks are allowed for in advance
        self._survey()
        self._look(self._reached)

    def below(self, score: float, state: TargetInformationState, picked: int) -> bool:
        """Whether every row outside scores less than this after so many picks; False where that is not known."""
        turned, drawn = state.turned - self._then[0], state.drawn - self._then[1]
        if self._height < score and self._allowed.covers(self._reached.further(turned, drawn)):
            return True
        since = max(1, picked - self._then[2])
        self._reached, self._then = self._ceilings.turn(state.P), (state.turned, state.drawn, picked)
        ahead = 2 * self._ahead
        while ahead >= 1:
            if self._look(self._reached.further(ahead / since * turned, ahead / since * drawn)) < score:
                self._ahead = ahead
                return True
            ahead //= 2
        self._ahead = 1
        if self._look(self._reached) >= score > self._nearest:
            self._survey()
            self._look(self._reached)
        return self._height < score

    def _survey(self) -> None:
        """Bound all rows outside, as far as P has turned."""
        divisors = self._problem.divisors(slice(None))
        keys = self._ceilings.after(self._reached) / divisors
        keys[~self._outside] = -np.inf
        self._near, highest_left = highest(keys, _NEAR)
        rest = self._outside.copy()
        rest[self._near] = False
        self._rest = self._ceilings.together(rest, highest_left, self._reached, divisors)

    def _look(self, allowed: PosteriorTurn) -> float:
        """The height of the bar for as long as P turns no further than this."""
        keys = self._ceilings.after(allowed, self._near) / self._problem.divisors(self._near)
        self._allowed, self._nearest = allowed, float(keys.max(initial=-np.inf))
        self._height = max(self._nearest, self._rest.after(allowed))
        return self._height
