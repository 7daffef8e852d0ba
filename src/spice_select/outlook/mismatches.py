"""How many answers of a sample do not belong to their questions, beyond those that any clean pool seems to have."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS = 0.012
"""Share of sound rows whose question seems to take nothing from their answer's loss: .5 and 1.2 % in two draws of 400
and 601 sound rows of some ten public sources, by the embedded proxy. Short chat shows more (one row in ten)."""
FOUND = 0.70
"""Share of wrong answers, swapped within their source, that the same rule found there: .70 and .74."""
TELLING = 0.2
"""Nats a token that a question must save at the upper quartile for losses to tell anything: 2.1 on sound rows, 1.4 with
four answers in ten swapped, .07 on swapped rows alone. A proxy below it does not understand the questions."""


@dataclass(frozen=True, kw_only=True)
class Mismatches:
    """Answers that their questions make no likelier.

    Attributes:
        rows: rows whose losses are known.
        listed: those of them whose question saves nothing.
        saved: nats a token that the question saves, at the upper quartile of the rows.
    """

    rows: int
    listed: int
    saved: float

    @classmethod
    def of(
        cls, losses: NDArray[np.float64], unprompted: NDArray[np.float64], supervised: NDArray[np.int64]
    ) -> "Mismatches":
        """From losses a token with and without the question, float64 ``[n]``; rows where one is no number are out."""
        saved = (unprompted - losses)[np.isfinite(losses) & np.isfinite(unprompted) & (supervised > 0)]
        upper = float(np.quantile(saved, 0.75)) if len(saved) else 0.0
        return cls(rows=len(saved), listed=int((saved < 0).sum()), saved=upper)

    @property
    def telling(self) -> bool:
        """Whether the proxy understands questions well enough for the rest to mean anything."""
        return self.saved >= TELLING

    @property
    def share(self) -> float:
        """Of the rows, those listed."""
        return self.listed / self.rows if self.rows else 0.0

    @property
    def wrong(self) -> float:
        """The share of wrong answers that would list as many: w with w·`FOUND` + (1 − w)·`FALSE_ALARMS` = share."""
        return min(1.0, max(0.0, (self.share - FALSE_ALARMS) / (FOUND - FALSE_ALARMS)))

    @property
    def z(self) -> float:
        """How many standard deviations more are listed than a clean pool of as many rows shows (binomial)."""
        expected = FALSE_ALARMS * self.rows
        return (self.listed - expected) / math.sqrt(expected * (1 - FALSE_ALARMS)) if self.rows else 0.0
