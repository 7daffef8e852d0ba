"""Each task of a target takes its own picks by the default's rule; tasks take turns by what they have had."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.information import Information
from spice_select.methods.ranked import best_ranked
from spice_select.methods.spice import agreeing_faults
from spice_select.progress import Progress
from spice_select.selection.objectives import TargetInformation
from spice_select.settings.counted import counted

_NAMED = 8
"""Tasks that the note names; of more it names the first."""


class EachTask(Method):
    """As many choices as the target has tasks, each that of `Information` for its task alone, put into one.

    Whichever task has had the fewest supervised tokens so far takes the best of its own that is left. A smaller budget
    is the beginning of a larger one, as long as no task needs more rows than agree with it (`disagreeing`). Of a target
    of one task it is that choice, its picks by rows.

    Cost: that of the default's choice for each task, of some 1.25/q of the budget's rows for q tasks; twice as many
    where they share many rows. Under shares of sources: of all rows.
    """

    name: ClassVar[str] = "each-task"
    summary: ClassVar[str] = "what tells most about each of the target's tasks, equal tokens for each"
    source: ClassVar[str] = "arXiv 2410.08020"
    reads: ClassVar[frozenset[str]] = frozenset({"agreeing", "normalise", "row_weight"})
    no_pairs: ClassVar[str] = "it chooses for a target, whose rows have one answer each"
    no_marks: ClassVar[str] = "it chooses for a target, whose answers are all to be learnt"
    takes_target: ClassVar[bool] = True
    requires_target: ClassVar[bool] = True

    def __init__(self, chooser: Method | None = None) -> None:
        self._chooser = chooser or Information(TargetInformation)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Method:
        return cls(Information.as_it_comes(settings, objective=TargetInformation.name))

    @classmethod
    def clashes(cls, settings: Mapping[str, Any]) -> list[str]:
        """Rows agree with a target or with nothing."""
        return agreeing_faults(settings, TargetInformation.name, quotas=False)

    def needs(self) -> tuple[str, ...]:
        """What the default needs: gradients."""
        return self._chooser.needs()

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows each pick's ``task``, and what it told about that."""
        assert candidates.target is not None, "a run without a target is refused before"
        n, tasks = len(candidates), candidates.target.groups
        sides = [candidates.aimed_at(candidates.target.take(own)) for own in tasks.values()]
        wanted = n if allowance.quotas else min(n, 1 + math.ceil(1.25 * allowance.mean_rows(candidates) / len(sides)))
        while True:
            picks = [self._chooser.choose(side, Allowance(rows=wanted), seed=seed, progress=progress) for side in sides]
            turns = [*in_turns([one.indices.tolist() for one in picks], candidates.supervised)]
            order = np.array([position for _, position in turns], np.int64)
            if wanted == n or allowance.is_filled(order, candidates):
                known = _known(picks, turns, n)
                rest = np.setdiff1d(np.arange(n), order)
                return best_ranked(np.append(order, rest), candidates, allowance, path=self.name, known=known)
            wanted = min(n, 2 * wanted)

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """What each task has had; nothing in the loop, where the target is known to the pools alone."""
        if candidates.target is None:
            return ()
        names = [*candidates.target.groups]
        if len(names) == 1:
            return ("The target is one task: the picks are those of --method information, in rows.",)
        had = [choice.indices[choice.columns["task"] == place] for place in range(len(names))]
        said = [
            f"{name or '(no name)'} {counted(len(own), 'row')}, {int(candidates.supervised[own].sum()):,} tokens"
            for name, own in zip(names[:_NAMED], had, strict=False)
        ]
        more = "" if len(names) <= _NAMED else f"; and {len(names) - _NAMED:,} tasks more"
        return (f"Tasks took turns by supervised tokens: {'; '.join(said)}{more}.",)


def in_turns(orders: Sequence[Sequence[int]], supervised: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """One order of several: whose turn it is, and its next row that nobody has taken; ends where one has none left.

    It is the turn of the one with the fewest supervised tokens so far, of equals of the first.
    """
    taken, had, left = set[int](), [0] * len(orders), [iter(order) for order in orders]
    while True:
        turn = had.index(min(had))
        row = next((row for row in left[turn] if row not in taken), None)
        if row is None:
            return
        taken.add(row)
        had[turn] += int(supervised[row])
        yield turn, row


def _known(picks: Sequence[Choice], turns: Sequence[tuple[int, int]], n: int) -> Mapping[str, NDArray[np.float64]]:
    """Of each position the task that took it, counted from 0, and its gain in that task's own choice; NaN of others."""
    task, gain = np.full(n, np.nan), np.full(n, np.nan)
    gains = [dict(zip(one.indices.tolist(), one.columns["gain"].tolist(), strict=True)) for one in picks]
    for turn, position in turns:
        task[position], gain[position] = turn, gains[turn][position]
    return {"task": task, "task_gain": gain}
