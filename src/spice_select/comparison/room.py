"""Headroom: is there anything to be gained here that this comparison could see?"""

from dataclasses import dataclass

import numpy as np

from spice_select.comparison.bed import Bed
from spice_select.comparison.null_check import noise_of_two
from spice_select.comparison.terms import Terms

ENOUGH = 2.0
"""Standard deviations of a difference of two runs that the best of the ceilings must lie above random."""


@dataclass(frozen=True)
class Room:
    """What each ceiling gains on the control, over the seeds they share, and `sd`, the noise of one pair."""

    gains: dict[str, float]
    sd: float
    unit: str = "nats"

    @property
    def best(self) -> str:
        """The ceiling that gains the most."""
        return max(self.gains, key=lambda arm: self.gains[arm])

    @property
    def tells(self) -> bool:
        """Whether a choice could gain enough to be seen."""
        return self.gains[self.best] >= ENOUGH * self.sd

    def __str__(self) -> str:
        gain = self.gains[self.best]
        said = "at least" if self.tells else "below"
        found = f"headroom {gain:.4f} {self.unit} ({self.best})"
        return f"{found} is {said} {ENOUGH:g} standard deviations of {self.sd:.4f}"


def room_above(bed: Bed, terms: Terms) -> Room | None:
    """The headroom of a bed; None where no ceiling ran, or where the control has but one run."""
    gains = {}
    for arm in dict.fromkeys((*terms.ceilings, terms.clean)):
        if seeds := bed.shared(arm, terms.control):
            gains[arm] = float(np.mean(bed.differences(terms.control, arm, seeds, terms.endpoint)))
    sd = noise_of_two(bed, terms)
    return Room(gains, sd, terms.unit(bed.held)) if gains and not np.isnan(sd) else None
