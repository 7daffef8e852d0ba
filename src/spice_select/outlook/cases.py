"""Which case the data are: the rules, on numbers alone.

A pool may be several. They are told in `ORDER`; none of them is the case in which random picks are as good as any.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from spice_select.diagnosis.explained import Explained
from spice_select.outlook.mismatches import FALSE_ALARMS, Mismatches
from spice_select.settings.counted import counted
from spice_select.settings.names import in_words

TARGETED, NOISY, REDUNDANT, NONE = "targeted", "noisy", "redundant", "none"
ORDER = (TARGETED, NOISY, REDUNDANT)
"""In the order of what was gained where it was tuned on: a choice for a target has most evidence, and takes few wrong
rows besides; leaving out wrong answers has some; repeats cost compute more than quality."""
LEAST_RATIO = 1.25
"""Explained share over that of random picks from which a choice for the target is worth its cost, as a multiple of what
a choice for the pool itself reaches. That one is the control: on clean mixtures it explained 1.1 times (97 picks) and
1.7 times (10 picks) what random picks did, and no tuned loss was lower for the former."""
LEAST_Z = 3.0
"""Standard deviations of a random draw by which it must lie above their mean: with 20 draws, one task in some 200
would by chance (Student's t)."""
LEAST_WRONG = 0.10
"""Estimated share of wrong answers from which a pool is called noisy; the count must be `LEAST_Z` beyond a clean pool's
as well. A gain was measured at four in ten; below one in ten the estimate is about sources as much as about noise."""
LEAST_REPEATED = 0.10
"""Share of rows that repeat others from which a pool is called redundant: a tenth of any random draw is then wasted."""
ALIKE_POOL = 0.8
"""What random rows explain of a target, over what they explain of the pool, from which the two are called alike."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A case that the data are.

    Attributes:
        name: `TARGETED`, `NOISY` or `REDUNDANT`.
        found: what was measured, in a sentence.
        expect: what may be expected of acting on it, and on whose evidence.
    """

    name: str
    found: str
    expect: str


def decide(
    *,
    pool: Explained,
    tasks: Sequence[Explained],
    mismatches: Mismatches | None,
    repeated: int,
    looked_at: int,
    pairs: bool = False,
) -> tuple[Finding, ...]:
    """The cases that hold, in `ORDER`; empty for none.

    Args:
        pool: what a choice for the pool itself explains of rows that did not choose: the control.
        tasks: what a choice for each task of the target explains of its held-out rows; none without a target.
        mismatches: answers that do not seem to belong to their questions; None where nobody looked.
        repeated: rows that repeat an earlier one, exactly or nearly.
        looked_at: of how many rows.
        pairs: whether they are preference pairs, of which nothing that was tuned is on record.
    """
    cases = []
    if won := [one for one in tasks if gains(one, pool)]:
        cases.append(_targeted(won, [one for one in tasks if one not in won]))
    if mismatches is not None and mismatches.telling and _noisy(mismatches):
        cases.append(_wrong(mismatches))
    if looked_at and repeated / looked_at >= LEAST_REPEATED:
        cases.append(_repeating(repeated, looked_at, pairs=pairs))
    return tuple(cases)


FEW_JUDGES = 8
"""Of fewer held-out rows single ones decide what is explained of a task."""


def gains(task: Explained, pool: Explained) -> bool:
    """Whether a choice for a task explains clearly more of its held-out rows than random picks do.

    Clearly: beyond chance, and beyond what a choice for the pool gains on the pool's own.
    """
    return task.ratio >= LEAST_RATIO * max(1.0, pool.ratio) and task.z >= LEAST_Z


def _noisy(found: Mismatches) -> bool:
    return found.wrong >= LEAST_WRONG and found.z >= LEAST_Z


def _targeted(won: Sequence[Explained], others: Sequence[Explained]) -> Finding:
    rest = f"; no clear gain on {in_words(one.task for one in others)}" if others else ""
    if (judges := min(one.rows for one in won)) < FEW_JUDGES:
        rest += f". Only {counted(judges, 'row')} judged: others might say otherwise"
    return Finding(
        name=TARGETED,
        found=f"picks for the target explain {in_words(map(told, won))}, on rows of it that did not choose{rest}",
        expect="expect a lower loss on rows like the target's: on three targets it was .078 to .190 nats a token lower "
        "than random picks' (SmolLM2-135M, one pool of 1,500 rows, five paired seeds); in published comparisons it was "
        "lower nearly always, accuracy followed in about two of three, in coding often not (arXiv 2602.14696)",
    )


def _wrong(found: Mismatches) -> Finding:
    return Finding(
        name=NOISY,
        found=f"in {found.listed:,} of {found.rows:,} rows ({found.share:.1%}) the question does not make the answer "
        f"likelier; of a clean pool one expects {FALSE_ALARMS:.1%}. That is as if {found.wrong:.0%} of the answers "
        "belonged to other questions",
        expect="expect a lower loss once the choice is for 16 to 64 sound rows (--target): with four answers in ten "
        "swapped, that was .025 ± .018 nats a token lower than random picks' (SmolLM2-135M, one pool of 1,000 rows, "
        "five paired seeds); without a target .012 ± .011, and .023 ± .011 with two in ten",
    )


def _repeating(repeated: int, looked_at: int, *, pairs: bool) -> Finding:
    gained = (
        "expect a lower loss from the default, which counts copies once, and from a choice without them: with "
        "seven rows in ten copies they were .007 ± .004 and .008 ± .005 nats a token lower than random picks' "
        "(SmolLM2-135M, two pools of 1000 rows, five paired seeds); random picks without copies were level"
    )
    return Finding(
        name=REDUNDANT,
        found=f"{repeated:,} of {looked_at:,} rows ({repeated / looked_at:.1%}) repeat others word for word or nearly",
        expect="what a choice among pairs gains without them has not been shown here: compare before you rely on it"
        if pairs
        else gained,
    )


def told(task: Explained) -> str:
    """A task's share beside random picks', in words."""
    name = f" of {task.task}" if task.task else ""
    return f"{task.share:.1%}{name} against {task.mean:.1%} ± {task.std:.1%} ({task.ratio:.1f} times)"
