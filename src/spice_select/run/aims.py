"""A target with all that is known of its rows: those that choose, and those that judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.explained import Explained, explained
from spice_select.diagnosis.versus_random import RANDOM_DRAWS
from spice_select.errors import InputError
from spice_select.features import usable_together
from spice_select.methods import Candidates, Choice
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
        told: where each row of the target stands.
        notes: what a person should know of it.
    """

    choosing: TargetSet
    judging: TargetSet
    told: Mapping[int, str]
    notes: Sequence[str]

    @classmethod
    def of(cls, target: TargetRows, blocks: Mapping[str, FeatureBlock], *, normalise: str) -> "Aims":
        """A target with its features; rows with a number that is none are left out and said.

        Raises:
            InputError: a task that is emptied by that.
        """
        order = {example.row: place for place, example in enumerate(target.examples)}
        sound, unusable = usable_together(blocks)
        rows = next((block.rows for block in sound.values()), np.array(sorted(order), np.int64))
        places = np.array([order[int(row)] for row in rows], np.int64)
        tasks = [target.tasks[place] for place in places]
        for task in dict.fromkeys(target.tasks):
            if task not in tasks:
                raise InputError(
                    f"--target: the proxy's loss is not a finite number on any row of the task {task!r}. Try --dtype "
                    "float32, or leave the task out."
                )
        whole = TargetSet(
            rows=rows,
            tasks=tasks,
            examples=[target.examples[place] for place in places],
            features=sound,
            normalise=normalise,
        )
        held = target.held_out[places]
        return cls(
            choosing=whole.take(np.flatnonzero(~held)),
            judging=whole.take(np.flatnonzero(held)) if held.any() else whole,
            told={row.number: row.where for row in target.rows},
            notes=[*target.notes, *(f"A row of the target is left out: {drop.detail}." for drop in unusable)],
        )

    def reached(self, candidates: Candidates, choice: Choice, settings: SelectSettings) -> list[Explained]:
        """The share of each task's gradients that the picks explain, beside random picks; see `explained`."""
        return explained(
            candidates.matrix,
            choice,
            self.judging.matrix,
            self.judging.tasks,
            alpha=settings.spice.alpha,
            draws=RANDOM_DRAWS,
            seed=settings.selection.seed,
        )

    def nearest(self, candidates: Candidates, choice: Choice) -> Nearest:
        """See `Nearest`; of equals the first. O(kmd)."""
        picks, aims = candidates.matrix.rows(choice.indices), self.choosing.matrix
        sizes = np.sqrt(np.maximum(candidates.matrix.squares[choice.indices], np.finfo(float).tiny))
        cosines = (picks @ aims.dense.T) / sizes[:, None] / np.sqrt(np.maximum(aims.squares, np.finfo(float).tiny))
        best = cosines.argmax(axis=1)
        rows = self.choosing.rows[best]
        return Nearest(
            rows=rows,
            cosines=cosines[np.arange(len(best)), best],
            where=[self.told[int(row)] for row in rows],
        )
