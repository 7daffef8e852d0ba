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
_NEAR = 4096  # rows outside a shortlist that are bounded again and again
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
        self._evaluations = problem.features.n

    def selection(self) -> Selection:
        """Run to the end."""
        ledger, initial, room = self._ledger, self._problem.initial, self._ceilings.unturned
        for i in range(0, len(initial), _TAKEN_TOGETHER):
            self._take(np.array(initial[i : i + _TAKEN_TOGETHER]))
        while not ledger.finished():
            rows, others = self._shortlist()
            bar = _Bar(self._ceilings, self._problem, others, room)
            if not self._pick(rows, bar):
                self._pick(np.flatnonzero(ledger.allowed), None)
            room = bar.reached.twice
        return ledger.selection(Stats(path="shortlist", evaluations=self._evaluations))

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
        rows, _ = highest(self._keys(others, ceilings.unturned), SHORTLIST)
        while not ceilings.fresh[rows].all():
            stale = np.sort(rows[~ceilings.fresh[rows]])
            ceilings.refresh(stale)
            self._evaluations += len(stale)
            # Those of the first look have fallen: what stands above the lowest of them now is stale or leads.
            keys = self._keys(others, ceilings.unturned)
            stale = np.flatnonzero((keys >= keys[rows].min()) & ~ceilings.fresh)
            ceilings.refresh(stale)
            self._evaluations += len(stale)
            rows, _ = highest(self._keys(others, ceilings.unturned), SHORTLIST)
        others[rows] = False
        return np.sort(rows), others

    def _keys(self, rows: NDArray[np.bool_], turn: PosteriorTurn) -> NDArray[np.float64]:
        """Ceilings as scores are compared; −∞ for all rows but these (bool [n])."""
        keys = self._ceilings.after(turn) / self._problem.divisors(slice(None))
        keys[~rows] = -np.inf
        return keys

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
            if (bar is not None and not bar.below(least, state)) or ledger.refuses(gain, 0.0):
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
    """What the rows outside may score while P turns no further than `room`: the nearest of them, and the rest."""

    def __init__(self, ceilings: Ceilings, problem: Problem, outside: NDArray[np.bool_], room: PosteriorTurn) -> None:
        self._ceilings, self._problem, self._room = ceilings, problem, room
        keys = ceilings.after(room) / problem.divisors(slice(None))
        keys[~outside] = -np.inf
        self._near, self._rest = highest(keys, _NEAR)
        self.reached = self._allowed = ceilings.unturned
        self._then = (np.zeros(len(room.turned)), 0.0)  # what the state had counted when `reached` was measured
        self._ahead = 1  # so many picks are allowed for in advance
        self._look(self._allowed)

    def below(self, score: float, state: TargetInformationState) -> bool:
        """Whether every row outside scores less than this; False where that is not known."""
        turned, drawn = state.turned - self._then[0], state.drawn - self._then[1]
        if not self._allowed.covers(self.reached.further(turned, drawn)):
            self.reached, self._then = self._ceilings.turn(state.P), (state.turned.copy(), state.drawn)
            if not self._room.covers(self.reached):
                return False
            self._look(self.reached.further(self._ahead * turned, self._ahead * drawn))
            if self._nearest < score and self._room.covers(self._allowed):
                self._ahead *= 2
            else:
                self._look(self.reached)
                self._ahead = 1
        return max(self._nearest, self._rest) < score

    def _look(self, allowed: PosteriorTurn) -> None:
        keys = self._ceilings.after(allowed, self._near) / self._problem.divisors(self._near)
        self._allowed, self._nearest = allowed, float(keys.max(initial=-np.inf))
