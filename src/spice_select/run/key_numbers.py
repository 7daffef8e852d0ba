"""The few numbers that a choice is told by: on its page, and on the card of its rows once they are exported."""

import math
from dataclasses import dataclass

from spice_select.run.summary import Judged, Summary
from spice_select.settings.counted import counted


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """A number of the verdict: what it is, the number with its unit, and what to make of it."""

    name: str
    value: str
    meaning: str


def key_numbers(summary: Summary, explained: KeyNumber | None = None) -> list[KeyNumber]:
    """How many rows and tokens were chosen, and where gradients were taken, how good the choice is by them.

    Args:
        summary: of the finished run.
        explained: the picks beside random ones by what they were chosen for, where the caller has measured that;
            else they are compared by what the summary knows.
    """
    share = summary.chosen / summary.usable
    trained = summary.chosen_supervised / summary.supervised if summary.supervised else 0.0
    numbers = [
        KeyNumber("Chosen", counted(summary.chosen, "row"), f"{share:.1%} of {summary.usable:,} usable"),
        KeyNumber("Trained tokens", f"{summary.chosen_supervised:,}", f"{trained:.1%} of {summary.supervised:,}"),
    ]
    if summary.judged is None:
        return numbers
    return [*numbers, _beside_random(summary.judged, explained), _certified(summary.judged)]


def _beside_random(judged: Judged, explained: KeyNumber | None) -> KeyNumber:
    """The choice beside random ones, by what it was made for where that is known."""
    if judged.target:
        share = sum(one.share for one in judged.target) / len(judged.target)
        random = sum(one.random_mean for one in judged.target) / len(judged.target)
        over = f", mean of {len(judged.target)} tasks" if len(judged.target) > 1 else ""
        return KeyNumber("Of the target explained", f"{share:.1%}", f"random picks {random:.1%}{over}")
    if explained is not None:
        return explained
    gap = (judged.information - judged.random_mean) / judged.random_mean if judged.random_mean else 0.0
    return KeyNumber(
        "Log det beside random",
        f"{gap if abs(gap) >= 5e-4 else 0.0:+.1%}",
        f"{judged.information:.4g} nats; random {judged.random_mean:.4g} ± {judged.random_std:.2g}, best of "
        f"{judged.random_draws} {judged.random_max:.4g}",
    )


def _certified(judged: Judged) -> KeyNumber:
    return KeyNumber(
        "Certified, log det",
        f"≥ {math.floor(judged.certified * 1000) / 10:.1f} %",
        f"of the best possible information for {judged.certified_for}; it says nothing of a tuned model",
    )
