"""What is fixed before the first result is seen."""

from dataclasses import dataclass, field
from typing import Any

from spice_select.comparison.statistics import Endpoint, LossPerToken, MacroOverSources, MeanOfRows

ERRORS, MARGIN, FREE_ERRORS = "-errors", "-margin", "-free-errors"
"""What is added to the name of a set of pairs for what else they are judged by; see `pair_judging`."""


def _others() -> tuple[Endpoint, ...]:
    return (LossPerToken(), MacroOverSources(MeanOfRows()), MeanOfRows())


def endpoints_of_pairs() -> dict[str, Any]:
    """What pairs are judged by, where a row is a prompt and counts for its pairs: `Terms`' endpoint and others."""
    pair, prompt = LossPerToken("loss per pair"), MeanOfRows("mean of prompts' losses")
    others = (pair, MacroOverSources(prompt), prompt)
    return {"endpoint": MacroOverSources(pair), "others": others, "shares": (ERRORS, FREE_ERRORS)}


@dataclass(frozen=True)
class Terms:
    """What is judged, by what, and beside what.

    Attributes:
        endpoint: what a run is judged by.
        others: what is shown beside it, and decides nothing.
        primary: the held-out set that the words are about, the others being exploratory; None for the first that there
            is of "target", "outside", "pool", or else the first by name that is no task.
        margin: the difference, in the `unit` of a set, below which arms are equal for all that matters.
        alpha: familywise error, over the arms of a held-out set.
        control: the arm that others are compared with.
        untuned: the arm of the model as it came.
        clean: the arm that draws at random among the rows that are not spoilt.
        ceilings: arms that are as good as a choice could be: all data at equal steps, the rows of the target's own
            kind. What they gain on the control is the headroom. `clean` is one.
        contrasts: arms from the worst to the best by all that is known; a task that has them otherwise is dropped.
        shares: endings of the names of sets that are judged by shares of pairs, not by losses.
        equal: what every arm was given as much of: "supervised tokens", or "rows".
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
    shares: tuple[str, ...] = ()
    equal: str = "supervised tokens"
    references: frozenset[str] = frozenset()

    def unit(self, held: str) -> str:
        """What differences on a held-out set are counted in."""
        return "of the pairs" if held.endswith(self.shares) else "nats"

    @property
    def given(self) -> str:
        """What a budget is a share of, for titles."""
        return self.equal.rpartition(" ")[2]

    @property
    def shown(self) -> frozenset[str]:
        """Arms of these names stand for what others are held against."""
        return frozenset({self.control, self.untuned, self.clean, *self.ceilings, *self.contrasts})

    def claims(self, arm: str) -> bool:
        """Whether something is claimed of `arm`, which then counts in the family."""
        return arm not in self.shown | self.references
