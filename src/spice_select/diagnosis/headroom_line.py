"""What a run knows of the room for a choice, in one line: how far a random draw of that size gets by itself."""

from collections.abc import Sequence

from spice_select.diagnosis.common_direction import random_alignment
from spice_select.diagnosis.explained import Explained
from spice_select.settings.counted import counted


def headroom_line(
    common: float, picks: int, reached: Sequence[Explained] = (), *, held_out: bool = False, measured: bool = True
) -> str:
    """One line; it promises nothing of a tuned model.

    Args:
        common: ρ of the rows; see `common_share`.
        picks: rows chosen.
        reached: what the picks explain of each task of the target; none without one.
        held_out: whether that was measured on rows that did not choose.
        measured: whether gains of such rows are on record: those of answers to be learnt, not of pairs and marked ones.
    """
    found = (
        f"a random draw of {counted(picks, 'row')} follows the pool's mean gradient to cos "
        f"{random_alignment(common, picks):.3f} (mean "
        f"cosine of two rows {common:.3f})"
    )
    if not reached and common <= 0:
        return f"{found}: the rows have no direction in common"
    if not measured:
        return f"{found}; what a choice among such rows gains has not been shown here"
    if not reached:
        return (
            f"{found}; where the rows you test on are like a clean pool, what a choice gains on it is small: a "
            "hundredth of a nat a token at a tenth of the pool"
        )
    tasks = ", ".join(_task(one) for one in reached)
    rest = "" if held_out else "; these rows chose: --hold-out-target judges by others"
    return f"{found}; of the target the picks explain {tasks}{rest}"


def _task(one: Explained) -> str:
    return f"{f'{one.task} ' if one.task else ''}{one.ratio:.1f} times what random picks do"
