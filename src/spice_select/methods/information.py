"""Information about rows that are to be known (arXiv 2410.08020): the default."""

from collections.abc import Mapping
from typing import Any, ClassVar

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.copied import note_on_copies, warning_of_copies
from spice_select.methods.spice import USUAL, Spice
from spice_select.selection.objectives import POOL_VARIANCES, DistinctVariance
from spice_select.selection.objectives.base import Scaled


class Information(Spice):
    """Greedy by what the picks tell about the target's rows or, without a target, about all rows of the pool.

    Log det asks how much space the picks span, whatever lies there: outliers are what it likes. Here a direction counts
    as often as it occurs in what is to be known (I-optimality; arXiv 2410.08020 has it for targets). Without a target
    copies of a row count once where there are many: see `DistinctVariance`.
    """

    name: ClassVar[str] = "information"
    summary: ClassVar[str] = (
        "greedily what tells most about the target's rows or, without a target, about all rows (the default)"
    )
    source: ClassVar[str] = "arXiv 2410.08020"
    reads: ClassVar[frozenset[str]] = Spice.reads - {"carry_state"}
    untargeted: ClassVar[tuple[str, float]] = (DistinctVariance.name, 0.0)

    @classmethod
    def as_it_comes(cls, settings: Mapping[str, Any], **own: Any) -> Method:
        """With what is usual whatever these settings are, but for the share that agrees with a target, and `own`."""
        return cls.of({**settings, **USUAL, "agreeing": settings["agreeing"], "carry_state": False, **own})

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """How much of all rows the picks explain, where that is what they were chosen for in one go; and of copies."""
        said = (*super().notes(candidates, choice), *_note_on_tasks(candidates, self.objective))
        if self.objective not in POOL_VARIANCES:
            return said
        if choice.pools.any():
            return (*said, *note_on_copies(candidates))
        squares, once = candidates.matrix.squares, ""
        if candidates.repeated is not None:
            squares, once = squares / candidates.repeated, ", copies counted once"
        share = choice.columns["gain"].sum() / squares.sum()
        return (
            *said,
            f"The picks explain {share:.1%} of all rows' gradients{once} (α = {self.alpha:g}): that is what they were "
            "chosen for. The information above is log det, another criterion's, and may lie below random picks'.",
            *(note_on_copies(candidates) if self.objective is DistinctVariance else warning_of_copies(candidates)),
            *_note_on_budget(len(choice) / len(candidates)),
        )


def _note_on_tasks(candidates: Candidates, objective: type[Scaled]) -> tuple[str, ...]:
    if candidates.target is None or not objective.aimed or len(candidates.target.groups) == 1:
        return ()
    return (
        f"The target has {len(candidates.target.groups)} tasks, and this is one choice for all of them. For three that "
        "were tuned for, on both of two pools, equal tokens for each (--method each-task) gained more, and spread it "
        "more evenly.",
    )


_LARGE = 0.25
"""Share of the rows from which a choice for all rows is said to gain little."""


def _note_on_budget(share: float) -> tuple[str, ...]:
    if not _LARGE <= share < 1:
        return ()
    return (
        f"{share:.0%} of the rows were chosen: at three tenths of a clean pool such a choice was level with random "
        "rows, at a tenth and less ahead of them. A smaller --budget, or a --target, is where choosing pays.",
    )
