"""The leader for objectives whose gains may grow: every pick needs every row's gain, so it guesses ahead and asks once.

A stale gain bounds nothing here. But whoever knew the next picks could have all shards answer for all of them at once.
So the leader guesses them among the rows that lead; each shard answers with its best rows after each pick told, and the
leader makes those that were guessed right, and the first that was not: it is the first told next time.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.selection.objectives.foresight import Foresight
from spice_select.selection.objectives.posterior import Posterior, shortlist_size
from spice_select.selection.objectives.target_information import TargetInformation
from spice_select.selection.objectives.target_variance import TargetVariance
from spice_select.selection.partitioned.foretelling import Ahead, Climb, Foretold, Past, SoughtTerms, StepAhead
from spice_select.selection.partitioned.messages import ShardPort
from spice_select.selection.partitioned.spread import SpreadFeatures
from spice_select.selection.partitioned.traffic import Traffic
from spice_select.selection.paths.ledger import Ledger, Problem, best_of
from spice_select.selection.paths.twins import Twins
from spice_select.selection.result import Selection, Stats

_TAKEN_TOGETHER = 64  # rows that are picked whatever they gain
_HELD = 8  # times the rows that the leader guesses among: so many it keeps


class ForeseeingLeader:
    """Greedy by what rows tell, of all rows or of a target, over rows on shards. Exact.

    Args:
        problem: the request, about `SpreadFeatures`.

    Memory beside a shard's: the rows guessed among, some d × d matrices, a few bytes for each of all rows. Raises
    InputError where there is a penalty.
    """

    def __init__(self, problem: Problem) -> None:
        features, objective = problem.features, problem.objective
        if not isinstance(features, SpreadFeatures) or not isinstance(objective, TargetVariance | TargetInformation):
            raise TypeError("this leader picks for what is to be known, from rows on shards")
        if problem.weight:
            raise InputError(
                f"{type(objective).__name__} with {type(problem.penalty).__name__} over shards: from rows that no "
                "machine holds together it is picked without a penalty. Leave the penalty out, or give LogDet."
            )
        self._features, self._problem = features, problem
        self._ledger, self._alpha = Ledger(problem), objective.alpha
        self._sought = objective.sought(features.array)
        self._posterior = Posterior(self._sought.spreads, objective.alpha, self._sought.worth)
        self._twins = Twins(features.twins, problem.constraints.costs)
        self._visible = self._twins.visible(self._ledger.allowed).copy()
        self._past = Past(taken=0, root=None)
        self._best: list[list[Climb]] = []  # of each shard, now and after each pick told
        self._leading = np.zeros(0, dtype=np.int64)
        self._changes: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []  # what the picks told hide and show
        self._evaluations = 0
        self.traffic = Traffic()

    def selection(self) -> Selection:
        """Run to the end."""
        features, ledger = self._features, self._ledger
        self._begin()
        self._ask([], None)
        while not ledger.finished():
            row, gain = self._next()
            if ledger.refuses(gain, 0.0):
                break
            closed = ledger.record(row, gain, 0.0)
            if ledger.finished():
                break
            if not self._posterior.expects(row):
                self._look_ahead(row, closed)
            self._make()
        alone = np.zeros(features.n)
        picked = np.array(ledger.rows, dtype=np.int64)
        for number in range(len(features.shards)):
            own = picked[features.part(number, picked)]
            alone[own] = features.ask(number, partial(_alone, own))
        features.on_loss(None)
        stats = Stats(
            path="foretold",
            evaluations=self._evaluations,
            rounds=self.traffic.rounds,
            rows_sent=self.traffic.rows_sent,
        )
        return ledger.selection(stats, alone)

    def _begin(self) -> None:
        """Take what is picked whatever it gains, and open the run on all shards."""
        initial = np.array(self._problem.initial, dtype=np.int64)
        start = 0
        while start < len(initial):
            rows = initial[start : start + min(_TAKEN_TOGETHER, self._posterior.left)]
            X = self._rows(rows)
            found = self._posterior.look_ahead(rows, X, given=range(len(rows)), count=len(rows))
            for row, seen, gain in zip(rows.tolist(), X, found.gains.tolist(), strict=True):
                self._ledger.record(row, gain, 0.0)
                self._posterior.take(seen)
            self._posterior.look_back()
            if self._posterior.due:
                self._posterior.take_anew()
            start += len(rows)
        self._visible = self._twins.visible(self._ledger.allowed).copy()
        self._features.on_loss(self._catch_up)
        self._features.ask_all([partial(self._open, number) for number in range(len(self._features.shards))])

    def _catch_up(self, number: int) -> None:
        """Bring a shard that was just opened again to where the run stands."""
        self._open(number, self._features.shards[number])

    def _open(self, number: int, shard: ShardPort) -> None:
        a, b = self._features.edges[number : number + 2].tolist()
        prices = self._problem.prices
        shard.seek(
            SoughtTerms(
                sought=self._sought,
                alpha=self._alpha,
                prices=None if prices is None else prices[a:b],
                hidden=a + np.flatnonzero(~self._visible[a:b]),
                root=self._posterior.standing() if self._ledger.rows else None,
            )
        )

    def _rows(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """As they count."""
        return np.asarray(self._sought.seen(self._features.rows(rows)))

    def _next(self) -> tuple[int, float]:
        """The best of all shards after the picks made, and its gain; see `best_of`."""
        foreseen = self._posterior.foreseen
        at = 0 if foreseen is None else foreseen.taken
        rows = np.concatenate([own[at].rows for own in self._best])
        gains = np.concatenate([own[at].gains for own in self._best])
        best = best_of(self._problem, rows, gains, np.zeros(len(rows)))
        return int(rows[best]), float(gains[best])

    def _look_ahead(self, row: int, closed: bool) -> None:
        """Guess what follows this pick, and ask all shards how they stand after each."""
        posterior, features = self._posterior, self._features
        foreseen = posterior.foreseen
        posterior.look_back()
        root = posterior.take_anew() if posterior.due else None
        self._past = Past(taken=0 if foreseen is None else foreseen.taken, root=root)
        rows = np.union1d(self._leading[self._visible[self._leading]], [row])
        count = posterior.room(int(np.diff(features.edges).max()))
        first = int(np.searchsorted(rows, row))
        found = posterior.look_ahead(rows, self._rows(rows), given=[first], count=count)
        self._ask(self._closings(found, closed), found)

    def _closings(self, found: Foresight, closed: bool) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The rows that each pick told hides and shows; told no further than they stay open."""
        ahead, visible, changes = self._ledger.open.ahead(), self._visible.copy(), []
        for at, row in enumerate(found.rows.tolist()):
            if at:
                if not ahead.allowed[row]:
                    found.cut(at)
                    break
                closed = ahead.take(row)
            hidden, shown = np.array([row]), np.zeros(0, dtype=np.int64)
            if closed or row in self._features.twins:
                then = self._twins.visible(ahead.allowed)
                hidden, shown = np.flatnonzero(visible & ~then), np.flatnonzero(then & ~visible)
            visible[hidden], visible[shown] = False, True
            changes.append((hidden, shown))
        return changes

    def _ask(self, changes: list[tuple[NDArray[np.int64], NDArray[np.int64]]], found: Foresight | None) -> None:
        """One round. The rows that come with the answers are remembered, and no others."""
        features, W = self._features, len(self._features.shards)
        self._changes = changes
        size = shortlist_size(features.n, len(self._sought.spreads[0]))
        near, self.traffic.rounds = features.near, self.traffic.rounds + 1
        questions = []
        for number in range(W):
            steps = [] if found is None else self._steps(number, changes, found)
            vectors = np.zeros((0, 0, 0)) if found is None else found.vectors
            own = near[features.part(number, near)]
            ahead = Ahead(vectors=vectors, steps=steps, worth=self._posterior.worth, held=own, size=-(-size // W))
            questions.append(partial(self._foresee, ahead))
        answers: list[Foretold] = features.ask_all(questions)
        for answer in answers:
            features.remember(answer.new, answer.features)
            self.traffic.rows_sent += len(answer.new)
            self._evaluations += answer.evaluated
        self._best = [list(answer.best) for answer in answers]
        self._leading = np.concatenate([answer.leading for answer in answers])
        climbs = [climb.rows for answer in answers for climb in answer.best]
        wanted = np.unique(np.concatenate([self._leading, *climbs]))
        before = np.setdiff1d(near[self._visible[near]], wanted)  # most rows that led will lead again
        features.forget(np.concatenate([wanted, before[: max(0, _HELD * size - len(wanted))]]))

    def _steps(
        self, number: int, changes: list[tuple[NDArray[np.int64], NDArray[np.int64]]], found: Foresight
    ) -> list[StepAhead]:
        here = self._features.part
        return [
            StepAhead(beta=beta, worth=worth, hidden=hidden[here(number, hidden)], shown=shown[here(number, shown)])
            for beta, worth, (hidden, shown) in zip(found.betas.tolist(), found.worths, changes, strict=False)
        ]

    def _foresee(self, ahead: Ahead, shard: ShardPort) -> Foretold:
        return shard.foresee(self._past, ahead)

    def _make(self) -> None:
        """The next of the picks told was made."""
        foreseen = self._posterior.foreseen
        assert foreseen is not None, "a pick is told before it is made"
        at = foreseen.taken
        hidden, shown = self._changes[at]
        self._visible[hidden], self._visible[shown] = False, True
        self._posterior.take(self._rows(foreseen.rows[at : at + 1])[0])


def _alone(rows: NDArray[np.int64], shard: ShardPort) -> NDArray[np.float64]:
    return shard.alone(rows)
