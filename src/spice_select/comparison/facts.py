"""What is known of an arm's choice before anything is tuned: its size, its mix, and its gradients on common ground.

All arms are measured by the same gradients, whoever took them, so that methods that look at none compare too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.comparison.arms import CONTROL
from spice_select.comparison.choosing import ArmChoice
from spice_select.comparison.costs import Cost
from spice_select.comparison.grounds import Grounds
from spice_select.diagnosis.certificates import certificate
from spice_select.diagnosis.curvature import Curvature, curvature
from spice_select.diagnosis.diversity import Diversity, measure_diversity, row_overlap
from spice_select.diagnosis.explained import shares_explained
from spice_select.diagnosis.interaction import conflicting_share
from spice_select.methods import Candidates, Choice
from spice_select.methods.spice import SpiceSettings
from spice_select.methods.target import TargetSet
from spice_select.methods.worth import with_worth
from spice_select.selection import LogDet, Stats
from spice_select.selection.result import reached_budget

_POOL_ROWS = 1000
"""Rows of the pool, drawn by a fixed seed, that the explained share of it is measured on; all where there are fewer."""
_POOL = "pool"


@dataclass(frozen=True, kw_only=True)
class InGradients:
    """A choice by the common gradients.

    Attributes:
        information: log det(I + αΣ g gᵀ) of its rows of length one.
        certified: that as a share of a proven upper bound on what as many rows could have.
        explained: share of the pool's gradients that the picks explain.
        explained_target: task → share of the target's, of the rows that were chosen for; empty without a target.
        conflicting: share of picks whose gradient opposes the mean of those before.
        missing: picks that have no finite gradient; they are left out here.
    """

    information: float
    certified: float
    explained: float
    explained_target: Mapping[str, float]
    conflicting: float
    missing: int


@dataclass(frozen=True, kw_only=True)
class ArmFacts:
    """A choice in numbers.

    Attributes:
        arm: its label.
        seed: of the choice.
        rows, tokens, supervised: how much was chosen, in the proxy's tokens.
        shortfall: share of the budget's supervised tokens that it leaves, because its next row did not fit; None where
            rows are what is equal.
        sources: source → rows.
        cost: what it took.
        gradients: None where no arm took gradients.
    """

    arm: str
    seed: int
    rows: int
    tokens: int
    supervised: int
    shortfall: float | None
    sources: Mapping[str, int]
    cost: Cost
    gradients: InGradients | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def facts_of(
    choice: ArmChoice, grounds: Grounds, cost: Cost, budget: int | None, common: "CommonGradients | None"
) -> ArmFacts:
    """The numbers of a choice.

    Args:
        choice: whose.
        grounds: what it chose from.
        cost: what it took.
        budget: supervised tokens that it might have taken; None where rows are what is equal.
        common: the gradients that all are measured by, where any arm took some.
    """
    rows = choice.rows
    return ArmFacts(
        arm=choice.arm.label,
        seed=choice.seed,
        rows=len(rows),
        tokens=int(grounds.tokens[rows].sum()),
        supervised=choice.supervised,
        shortfall=None if budget is None else 1 - choice.supervised / budget,
        sources=dict(Counter(grounds.sources[int(row)] for row in rows).most_common()),
        cost=cost,
        gradients=None if common is None else common.measured(choice),
    )


def by_arm(facts: Sequence[ArmFacts]) -> dict[str, list[ArmFacts]]:
    """The facts of each arm's choices, in the order of the arms."""
    arms: dict[str, list[ArmFacts]] = {}
    for one in facts:
        arms.setdefault(one.arm, []).append(one)
    return arms


def overlaps(choices: Mapping[str, ArmChoice]) -> dict[str, dict[str, float]]:
    """Arm → other arm → Jaccard's index of their rows."""
    return {
        one: {other: row_overlap(mine.rows, theirs.rows) for other, theirs in choices.items() if other != one}
        for one, mine in choices.items()
    }


@dataclass(frozen=True, eq=False)
class CommonGradients:
    """The gradients that all choices are measured by: rows of length one, as the settings' LoRA and sketch have them.

    Attributes:
        candidates: the pool's rows that have finite ones.
        target: those of the rows that were chosen for; None without a target, or where no arm took them.
    """

    candidates: Candidates
    target: TargetSet | None

    @classmethod
    def of(cls, choices: Sequence[ArmChoice]) -> "CommonGradients | None":
        """Those of the first arm that took gradients, best of one that has the target's too; None where none did."""
        took = [one for one in choices if one.run.manifest["parts"] and one.run.settings.selection.normalise == "unit"]
        aimed = [one for one in took if one.run.target is not None]
        for one in [*aimed, *took]:
            return cls(one.run.candidates, one.run.target)
        return None

    def measured(self, choice: ArmChoice) -> InGradients:
        """A choice's numbers. Cost: a certificate, and the shares of a thousand rows."""
        rows = self.candidates.rows
        known = self._known(choice)
        picks = Choice(
            indices=np.searchsorted(rows, known),
            columns={},
            pools=np.zeros(len(known), np.int64),
            stop=reached_budget(len(known)),
            stats=Stats(path="compared"),
        )
        worth = with_worth(picks, self.candidates, self._objective).worth
        assert worth is not None, "gradients say what a pick is worth"
        proof = certificate(self.candidates.matrix, worth, self._objective)
        shares = self._explained(picks)
        return InGradients(
            information=proof.information,
            certified=proof.ratio,
            explained=shares.pop(_POOL),
            explained_target=shares,
            conflicting=conflicting_share(worth),
            missing=len(choice.rows) - len(known),
        )

    def diversity(self, choices: Mapping[str, ArmChoice], grounds: Grounds) -> dict[str, Diversity]:
        """Of several choices, by the arms' labels; see `measure_diversity`."""
        rows = self.candidates.rows
        places = {label: np.searchsorted(rows, self._known(choice)) for label, choice in choices.items()}
        sources = [grounds.sources[int(row)] for row in rows]
        return measure_diversity(
            self.candidates.matrix.array,
            {label: found for label, found in places.items() if len(found)},
            tokens=self.candidates.supervised,
            sources=sources if any(sources) else None,
            control=CONTROL if len(places.get(CONTROL, ())) else None,
        )

    def _known(self, choice: ArmChoice) -> NDArray[np.int64]:
        """The picks that have finite gradients."""
        return choice.rows[np.isin(choice.rows, self.candidates.rows)]

    @cached_property
    def curvature(self) -> Curvature:
        """Of the pool: what it promises greedy, whoever chose."""
        return curvature(self.candidates.matrix, self._objective)

    def _explained(self, picks: Choice) -> dict[str, float]:
        matrix, (aims, tasks) = self.candidates.matrix, self._aims
        found = shares_explained(matrix, picks, aims, tasks, alpha=self._objective.alpha, draws=2)
        return {one.task: one.share for one in found}

    @cached_property
    def _aims(self) -> tuple[np.ndarray, list[str]]:
        """Rows of the pool and of the target as one matrix, and what each belongs to."""
        matrix, n = self.candidates.matrix, len(self.candidates)
        drawn = np.sort(np.random.default_rng(7).choice(n, min(n, _POOL_ROWS), replace=False))
        aims, tasks = [matrix.rows(drawn)], [_POOL] * len(drawn)
        if self.target is not None:
            aims.append(self.target.matrix.dense)
            tasks += [f"target {task}".strip() for task in self.target.tasks]
        return np.concatenate(aims), tasks

    @cached_property
    def _objective(self) -> LogDet:
        return LogDet(alpha=SpiceSettings().scale)
