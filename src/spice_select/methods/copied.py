"""What is told of a choice for all rows where many of them are copies."""

from spice_select.methods.base import Candidates
from spice_select.selection.multiplicity import LEAST_COPIED, LOOKED_AT, copied_share
from spice_select.settings.counted import counted

_ALIKE = "a copy or nearly one in the pool (a cosine of gradients above 0.9)"
_LEAVE_OUT = "--without-suspects duplicate near-duplicate leaves out those that repeat others in words"


def note_on_copies(candidates: Candidates) -> tuple[str, ...]:
    """How many rows have copies that counted once; nothing where none were counted."""
    if candidates.repeated is None:
        return ()
    copied = int((candidates.repeated > 1).sum())
    return (
        f"{counted(copied, 'row')} ({copied / len(candidates):.0%}) have {_ALIKE}: each direction counted once, "
        f"however many rows share it. {_LEAVE_OUT}, and chooses about as well.",
    )


def warning_of_copies(candidates: Candidates) -> tuple[str, ...]:
    """That many rows have copies, each of which counted; nothing where few have. Cost: 512·nd flops."""
    share = copied_share(candidates.matrix)
    if share < LEAST_COPIED:
        return ()
    looked = counted(min(len(candidates), LOOKED_AT), "row")
    return (
        f"Of {looked} looked at, {share:.0%} have {_ALIKE}, and each of them counted: where seven rows in ten were "
        "copies, such a choice was as good as random rows. --objective distinct-variance counts a direction once. "
        f"{_LEAVE_OUT}.",
    )
