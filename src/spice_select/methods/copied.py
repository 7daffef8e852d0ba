"""What is told of a choice for all rows where many of them are copies."""

from spice_select.methods.base import Candidates
from spice_select.progress import Silent
from spice_select.selection.multiplicity import LEAST_COPIED, LOOKED_AT, copied_share
from spice_select.settings.counted import counted


def note_on_copies(candidates: Candidates, *, counted_once: bool) -> tuple[str, ...]:
    """How many rows have copies, and whether these counted once; nothing where few have.

    Cost: nothing where copies were counted, else 512·nd flops.
    """
    alike = "a copy or nearly one in the pool (a cosine of gradients above 0.9)"
    leave_out = "--without-suspects duplicate near-duplicate leaves out those that repeat others in words"
    if counted_once:
        copied = int((candidates.copies(Silent()) > 1).sum())
        if not copied:
            return ()
        return (
            f"{counted(copied, 'row')} ({copied / len(candidates):.0%}) have {alike}: each direction counted once, "
            f"however many rows share it. {leave_out}; --objective target-variance counts every copy.",
        )
    share = copied_share(candidates.matrix)
    if share < LEAST_COPIED:
        return ()
    looked = counted(min(len(candidates), LOOKED_AT), "row")
    return (
        f"Of {looked} looked at, {share:.0%} have {alike}, and each of them counted: where seven rows in ten were "
        "copies, such a choice was as good as random rows. --objective distinct-variance, the default, counts a "
        f"direction once. {leave_out}.",
    )
