"""What the rows of one meeting are worth by their gradients, once its picks are made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.next_gain import next_gains, next_penalties
from spice_select.diagnosis.ridge import Ridge, left_of, share_explained, taken_in_order
from spice_select.methods.agreement import agreements
from spice_select.methods.base import GRADIENTS, Candidates
from spice_select.methods.budget import Budget
from spice_select.methods.cosines import unit_cosines
from spice_select.methods.spice import Spice
from spice_select.methods.target import TargetSet
from spice_select.run.meetings import Meeting
from spice_select.run.settings import SelectSettings
from spice_select.selection import Conflict, LogDet, Objective, Penalty


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """What the rows of a meeting were compared by.

    Attributes:
        objective: what a choice is worth.
        penalty: what is subtracted from a gain; None for nothing.
        price: γ of the score / tokensᵞ that rows were ranked by; 0 for the score.
    """

    objective: Objective
    penalty: Penalty | None
    price: float = 0.0


class Weighing:
    """The rows of a meeting, beside its picks. Positions are those of the run's candidates.

    Args:
        meeting: which rows, which picks; one pick or more counted there.
        candidates: of the run.
        target: what they were chosen for, as the proxy saw it then; None without gradients of one.
        settings: of the run.
        spice: the method, where it picks by the gain of an objective; None for any other.
    """

    def __init__(
        self,
        meeting: Meeting,
        candidates: Candidates,
        target: TargetSet | None,
        settings: SelectSettings,
        spice: Spice | None,
    ) -> None:
        self.meeting, self._settings, self._spice = meeting, settings, spice
        self.target = target if target is not None and GRADIENTS in target.features else None
        self._places = np.concatenate([meeting.members, meeting.before])
        alike = np.array_equal(self._places, np.arange(len(candidates)))  # then nothing is copied
        rows = candidates if alike else candidates.take(self._places)
        self._rows = rows if rows.target is target else replace(rows, target=target)
        self._ascending = np.argsort(self._places, kind="stable")
        self.counted = np.concatenate([meeting.before, meeting.picks])
        self._picks = self._numbers(self.counted)

    def _numbers(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows of the meeting stand among its rows."""
        return self._ascending[np.searchsorted(self._places, positions, sorter=self._ascending)]

    def _number(self, position: int) -> int:
        return int(self._numbers(np.array([position]))[0])

    @cached_property
    def _ridge(self) -> Ridge:
        return Ridge(self._rows.matrix.rows(self._picks), self._settings.spice.scale)

    def share(self, position: int) -> float:
        """The share of a row's gradient that the picks explain; see `Ridge`."""
        own = [self._number(position)]
        return float(share_explained(self._ridge.left(self._rows.matrix.rows(own)), self._rows.matrix.squares[own])[0])

    def shares(self) -> NDArray[np.float64]:
        """That of all members, float64 ``[m]``. O(mdr), r = min(k, d)."""
        features = self._rows.matrix
        return share_explained(left_of(features, self._ridge), features.squares)[: len(self.meeting.members)]

    def parts(self, position: int) -> NDArray[np.float64]:
        """What each pick that counted has of that share, float64 ``[k]`` in the order of `counted`."""
        own = [self._number(position)]
        square = float(self._rows.matrix.squares[own[0]])
        return self._ridge.parts(self._rows.matrix.rows(own))[0] / square if square else np.zeros(len(self._picks))

    def cosines(self, position: int) -> NDArray[np.float32]:
        """Of a row's gradient with that of each pick that counted, float32 ``[k]``."""
        features = self._rows.matrix
        return unit_cosines(features.rows([self._number(position)]), features.rows(self._picks))[0]

    @cached_property
    def criterion(self) -> Criterion | None:
        """What rows were compared by; None where the method picks by no objective."""
        asked, spice = self._settings.spice, self._spice
        if self._settings.interleaved.carry_state and self._settings.selection.schedule == "interleaved":
            penalty = Conflict(asked.weight) if asked.weight else None
            return Criterion(objective=LogDet(alpha=asked.scale), penalty=penalty, price=asked.token_price or 0.0)
        if spice is None:
            return None
        return Criterion(
            objective=spice.objective_for(self._rows),
            penalty=spice.penalty_for(self._rows.target),
            price=spice.price or 0.0,
        )

    @cached_property
    def gains(self) -> NDArray[np.float64] | None:
        """What each row would gain as the next pick; None without a criterion. Cost: see `next_gains`."""
        if self.criterion is None:
            return None
        return next_gains(self.criterion.objective, self._rows.matrix, self._picks)

    @cached_property
    def penalties(self) -> NDArray[np.float64]:
        """What is subtracted from it: λ times the penalty."""
        penalty = self.criterion.penalty if self.criterion else None
        if penalty is None:
            return np.zeros(len(self._rows))
        return penalty.weight * next_penalties(penalty, self._rows.matrix, self._picks)

    def gain(self, position: int) -> float | None:
        """What a row would gain as the next pick."""
        return None if self.gains is None else float(self.gains[self._number(position)])

    def base(self, position: int) -> float | None:
        """What a row would have gained as the first pick."""
        return None if self._bases is None else float(self._bases[self._number(position)])

    @cached_property
    def _bases(self) -> NDArray[np.float64] | None:
        """Of all rows at once: what one gains may take all of them to know."""
        if self.criterion is None:
            return None
        return next_gains(self.criterion.objective, self._rows.matrix, np.empty(0, np.int64))

    def penalty(self, position: int) -> float:
        """What would be subtracted from that."""
        return float(self.penalties[self._number(position)])

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The rejected rows that could have been chosen, the best final score first, of equals the lower row number.

        Empty without a criterion.
        """
        if self.gains is None or self.criterion is None:
            return np.empty(0, np.int64)
        costs = Budget.parse(self._settings.selection.budget).costs(self._rows)
        scores = (self.gains - self.penalties) / costs**self.criterion.price
        members = len(self.meeting.members)
        open_ = np.ones(len(self._rows), bool)
        open_[members:] = False
        open_[self._picks] = False
        open_[list(self._outside)] = False
        rank = np.lexsort((self._rows.rows, -scores))
        return self._places[rank[open_[rank]]]

    def place(self, position: int) -> int | None:
        """Which in `order` a row is, from 1; None of one that is not there."""
        found = int(self._standing[self._number(position)])
        return found or None

    @cached_property
    def _standing(self) -> NDArray[np.int64]:
        standing = np.zeros(len(self._rows), np.int64)
        standing[self._numbers(self.order)] = np.arange(1, len(self.order) + 1)
        return standing

    @cached_property
    def _outside(self) -> frozenset[int]:
        """Rows that agreed too little with the target to be chosen from; none where that cannot be told."""
        allowance, asked = self.meeting.allowance, self._settings.selection
        shares = asked.per_source_min is not None or asked.per_source_max is not None
        if self._spice is None or allowance is None or self._rows.target is None or shares:
            return frozenset()
        rows = None if allowance.rows is None else min(allowance.rows, len(self._rows))
        return frozenset(self._spice.opposing(self._rows, replace(allowance, rows=rows)))

    def outside(self, position: int) -> bool:
        """Whether it agreed too little with the target to be chosen from."""
        return self._number(position) in self._outside

    def agreement(self, position: int) -> tuple[str, float] | None:
        """The task whose mean gradient a row agrees most with, and the cosine; None without a target's gradients."""
        if self.target is None:
            return None
        found = agreements(self._rows.matrix.rows([self._number(position)]), self.target)[0]
        best = int(found.argmax())
        return list(self.target.groups)[best], float(found[best])

    def closest(self, position: int) -> tuple[int, float] | None:
        """The target's row whose gradient points most nearly where a row's does, and the cosine; None likewise."""
        if self.target is None:
            return None
        found = unit_cosines(self._rows.matrix.rows([self._number(position)]), self.target.matrix.array)[0]
        best = int(found.argmax())
        return int(self.target.rows[best]), float(found[best])

    @cached_property
    def taken(self) -> Mapping[str, NDArray[np.float64]]:
        """Task → the share of its gradients that each pick of the meeting explained beyond those before it, ``[k]``.

        Empty without a target's gradients. Cost: see `taken_in_order`.
        """
        if self.target is None or not len(self.meeting.picks):
            return {}
        aims = self.target.matrix
        each = taken_in_order(self._rows.matrix.rows(self._picks), aims.dense, self._settings.spice.scale)
        own, found = each[len(self.meeting.before) :], dict[str, NDArray[np.float64]]()
        for task, rows in self.target.groups.items():
            whole = float(aims.squares[rows].sum())
            found[task] = own[:, rows].sum(axis=1) / whole if whole else np.zeros(len(own))
        return found
