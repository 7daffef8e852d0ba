"""A target with all that is known of its rows: those that choose, and those that judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Drop
from spice_select.diagnosis.explained import Explained, shares_explained
from spice_select.diagnosis.versus_random import RANDOM_DRAWS
from spice_select.errors import InputError
from spice_select.features import usable_together
from spice_select.methods import Candidates, Choice
from spice_select.methods.cosines import unit_cosines
from spice_select.methods.target import TargetSet
from spice_select.run.outcome import Nearest
from spice_select.run.settings import SelectSettings
from spice_select.run.target import TargetRows
from spice_select.store import FeatureBlock


@dataclass(frozen=True, kw_only=True, eq=False)
class Aims:
    """What a choice is for.

    Attributes:
        choosing: the rows that the method chooses for.
        judging: those the choice is judged by: others, where half were held out, else the same.
        held_out: whether they are others.
        told: where each row of the target stands.
        notes: what a person should know of it.
    """

    choosing: TargetSet
    judging: TargetSet
    held_out: bool
    told: Mapping[int, str]
    notes: Sequence[str]

    @classmethod
    def of(cls, target: TargetRows, blocks: Mapping[str, FeatureBlock], *, normalise: str) -> "Aims":
        """A target with its features; rows with a number that is none are left out and said.

        Raises:
            InputError: that leaves nothing of a task to choose by, or to judge by where half is held out.
        """
        order = {example.row: place for place, example in enumerate(target.examples)}
        sound, unusable = usable_together(blocks)
        rows = next((block.rows for block in sound.values()), np.array(sorted(order), np.int64))
        places = np.array([order[int(row)] for row in rows], np.int64)
        held, tasks = target.held_out[places], [target.tasks[place] for place in places]
        _refuse_emptied_tasks(target, tasks, held)
        whole = TargetSet(
            rows=rows,
            tasks=tasks,
            examples=[target.examples[place] for place in places],
            features=sound,
            normalise=normalise,
        )
        return cls(
            choosing=whole.take(np.flatnonzero(~held)),
            judging=whole.take(np.flatnonzero(held)) if held.any() else whole,
            held_out=bool(held.any()),
            told={row.number: row.where for row in target.rows},
            notes=[*target.notes, *_unsound(target, unusable)],
        )

    def reached(self, candidates: Candidates, choice: Choice, settings: SelectSettings) -> list[Explained]:
        """The share of each task's gradients that the picks explain, beside random picks; see `shares_explained`."""
        return shares_explained(
            candidates.matrix,
            choice,
            self.judging.matrix,
            self.judging.tasks,
            alpha=settings.spice.scale,
            draws=RANDOM_DRAWS,
            seed=settings.selection.seed,
        )

    def nearest(self, candidates: Candidates, choice: Choice) -> Nearest:
        """See `Nearest`; of equals the first. O(kmd)."""
        cosines = unit_cosines(candidates.matrix.rows(choice.indices), self.choosing.matrix.array)
        best = cosines.argmax(axis=1)
        rows = self.choosing.rows[best]
        return Nearest(
            rows=rows,
            cosines=cosines[np.arange(len(best)), best],
            where=[self.told[int(row)] for row in rows],
        )


def _refuse_emptied_tasks(target: TargetRows, tasks: Sequence[str], held: NDArray[np.bool_]) -> None:
    """Raise InputError where a task has no sound row among those that choose, or that judge."""
    left = set(zip(tasks, held.tolist(), strict=True))
    for task, out in zip(target.tasks, target.held_out.tolist(), strict=True):
        if (task, out) not in left:
            raise InputError(
                f"--target: the proxy's loss is not a finite number on any row {'held out ' if out else ''}of the task "
                f"{task!r}. Try --dtype float32, or leave the task out."
            )


def _unsound(target: TargetRows, unusable: Sequence[Drop]) -> list[str]:
    if not unusable:
        return []
    first = unusable[0]
    return [
        f"Rows of the target left out, since the proxy's numbers are none there: {len(unusable)}; first "
        f"{target.rows[first.row].where} ({first.detail})."
    ]
