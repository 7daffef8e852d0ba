"""When to stop before the budget is used up. A rule sees the pick that greedy is about to make and may refuse it."""

from dataclasses import dataclass
from typing import Protocol

from spice_select.errors import InputError
from spice_select.selection.objectives.base import is_number
from spice_select.selection.result import Stop
from spice_select.settings.counted import counted


@dataclass(frozen=True, kw_only=True)
class NextPick:
    """The pick about to be made.

    Attributes:
        picked: rows picked so far.
        gain: Δ of the row about to be picked.
        score: its score, gain minus penalty.
        first_gain: Δ of the very first pick of the run (of its own gain if this is the first).
    """

    picked: int
    gain: float
    score: float
    first_gain: float


class StoppingRule(Protocol):
    """A rule returns a `Stop` to end the run before the pick is made, or None to let it pass."""

    def check(self, progress: NextPick) -> Stop | None:
        """Judge one pick."""
        ...


@dataclass(frozen=True)
class GainRatio:
    """Adaptive early stopping (SPICE+): end at the first pick with Δ ≤ ω·Δ of the first pick; it is not taken.

    Tested on the gain Δ, never on the penalised score: the gain is what decays with the information left, while
    the score also moves with the conflict. The paper reports ω = 0.5 (arXiv 2601.23155, Table 9).

    Raises:
        InputError: `omega` is not between 0 and 1.
    """

    omega: float = 0.5

    def __post_init__(self) -> None:
        if not (is_number(self.omega) and 0 <= self.omega < 1):
            raise InputError(
                f"omega={self.omega!r}: the gain ratio at which to stop must lie in [0, 1), since the first pick "
                "has ratio 1. Give a smaller value, 0.5 for instance, or drop the rule to use the whole budget."
            )

    def check(self, progress: NextPick) -> Stop | None:
        """End the run when the gain has fallen to ω times the first."""
        if progress.picked == 0 or progress.gain > self.omega * progress.first_gain:
            return None
        return Stop(
            reason="gain_ratio",
            sentence=(
                f"After {counted(progress.picked, 'row')} the next gain, {progress.gain:.4g}, is at most "
                f"{self.omega:g} of "
                f"the first, {progress.first_gain:.4g}."
            ),
        )
