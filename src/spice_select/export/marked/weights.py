"""What a good and a bad answer weigh in KTO's loss, where there are more of one than of the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from spice_select.export.picks import Pick

FOR_KL = "  # at least 2, for the KL term"
"""Behind the line of the batch size."""


@dataclass(frozen=True, kw_only=True)
class MarkWeights:
    """λ_D of answers to give and λ_U of others, λ_D n_D = λ_U n_U: within KTO's equation 8 (arXiv 2402.01306).

    Attributes:
        good, bad: the weights; the more frequent mark's is 1, the other's is rounded to two digits.
    """

    good: float = 1.0
    bad: float = 1.0

    @classmethod
    def of(cls, labels: Sequence[bool]) -> Self:
        """Those of so many of each; 1 where one is missing."""
        good = sum(labels)
        bad = len(labels) - good
        if not good or not bad:
            return cls()
        return cls(good=round(bad / good, 2)) if good < bad else cls(bad=round(good / bad, 2))


def one_mark(picks: Sequence[Pick]) -> tuple[str, ...]:
    """The note on exported answers that are all good or all bad; none where there are both."""
    labels = {pick.conversation.label for pick in picks}
    if len(labels) != 1:
        return ()
    there, lacking = ("good", "bad") if labels.pop() else ("bad", "good")
    return (f"All exported answers are {there} ones, and KTO needs both: choose or keep {lacking} ones too.",)
