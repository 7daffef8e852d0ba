"""What is fixed before the first result is seen."""

from dataclasses import dataclass, field
from typing import Any

from spice_select.comparison.statistics import Endpoint, LossPerToken, MacroOverSources, MeanOfRows


def _others() -> tuple[Endpoint, ...]:
    return (LossPerToken(), MacroOverSources(MeanOfRows()), MeanOfRows())


def endpoints_of_pairs() -> dict[str, Any]:
    """What pairs are judged by, where a row is a prompt and counts for its pairs: `Terms`' endpoint and others."""
    pair, prompt = LossPerToken("loss per pair"), MeanOfRows("mean of prompts' losses")
    return {"endpoint": MacroOverSources(pair), "others": (pair, MacroOverSources(prompt), prompt)}


@dataclass(frozen=True)
class Terms:
    """What is judged, by what, and beside what.

    Attributes:
        endpoint: what a run is judged by.
        others: what is shown beside it, and decides nothing.
        primary: the held-out set that the words are about, the others being exploratory; None for the first that there
            is of "target", "outside", "pool", or else the first by name that is no task.
        margin: the difference, in nats, below which arms are equal for all that matters.
        alpha: familywise error, over the arms of a held-out set.
        control: the arm that others are compared with.
        untuned: the arm of the model as it came.
        clean: the arm that draws at random among the rows that are not spoilt.
        ceilings: arms that are as good as a choice could be: all data at equal steps, the rows of the target's own
            kind. What they gain on the control is the headroom. `clean` is one.
        contrasts: arms from the worst to the best by all that is known; a task that has them otherwise is dropped.
        references: further arms that are shown, but about which nothing is claimed: they are not of the family.
    """

    endpoint: Endpoint = field(default_factory=MacroOverSources)
    others: tuple[Endpoint, ...] = field(default_factory=_others)
    primary: str | None = None
    margin: float = 0.01
    alpha: float = 0.05
    control: str = "random"
    untuned: str = "untuned"
    clean: str = "clean-random"
    ceilings: tuple[str, ...] = ("full", "oracle")
    contrasts: tuple[str, ...] = ("untuned", "random-small", "random", "full")
    references: frozenset[str] = frozenset()

    def claims(self, arm: str) -> bool:
        """Whether something is claimed of `arm`, which then counts in the family."""
        shown = {self.control, self.untuned, self.clean, *self.ceilings, *self.contrasts}
        return arm not in shown | self.references
