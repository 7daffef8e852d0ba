"""The verdict in words, and the commands to run next, ready to copy."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from spice_select.diagnosis.explained import Explained
from spice_select.outlook.cases import ALIKE_POOL, NOISY, REDUNDANT, TARGETED, Finding, told
from spice_select.outlook.settings import HeadroomSettings
from spice_select.outlook.texts import DUPLICATE, NEAR_DUPLICATE
from spice_select.settings.words import command_words

_ASK = "Give 16 to 64 rows of what you care about (--target) to change that."


def verdict_sentence(
    cases: Sequence[Finding],
    *,
    alignment: float,
    tasks: Sequence[Explained],
    likeness: Mapping[str, float],
    pairs: bool = False,
) -> str:
    """What the data are and what to do, in a few sentences.

    Args:
        cases: what holds, in order.
        alignment: cosine of a random draw with the pool's mean gradient.
        tasks: what was explained of each task of the target; none without one.
        likeness: see `Explaining`.
        pairs: whether they are preference pairs, of which nothing that was tuned is on record.
    """
    if not cases and pairs:
        return (
            f"At this budget a random draw already follows the pool's mean gradient to cos {alignment:.3f}. Whether "
            "any choice among pairs makes a better model than random picks has not been shown here, and random is hard "
            "to beat (arXiv 2604.02766): compare before you rely on one."
        )
    if not cases:
        return _nothing(alignment, tasks, likeness)
    first, *others = (_told(case) for case in cases)
    return " ".join([first, *(f"Besides: {other}" for other in others)])


def _told(case: Finding) -> str:
    return f"{case.found[:1].upper()}{case.found[1:]}. {case.expect[:1].upper()}{case.expect[1:]}."


def _nothing(alignment: float, tasks: Sequence[Explained], likeness: Mapping[str, float]) -> str:
    random = (
        f"At this budget a random draw already follows the pool's mean gradient to cos {alignment:.3f}; at a tenth of "
        "two clean pools what tells most about the pool itself was a hundredth of a nat ahead of it, at three tenths "
        "of one level with it"
    )
    if not tasks:
        return f"If your test rows look like your pool: {random[:1].lower()}{random[1:]}. {_ASK}"
    shares = "; ".join(told(one) for one in tasks)
    if all(likeness[one.task] >= ALIKE_POOL for one in tasks):
        return f"Your target rows look like your pool. {random}. Picks for the target explain {shares}."
    return (
        f"The sample holds too few rows like the target to choose by it: picks for it explain {shares}. {random} for "
        "what the pool does hold. Look for rows nearer to the target, or give a larger --sample."
    )


def next_commands(
    pool: str, settings: HeadroomSettings, cases: Sequence[Finding], *, pairs: bool = False
) -> tuple[str, ...]:
    """What to run next: for the first case, with what the others add where one run can have it.

    Args:
        pool: its name, as given.
        settings: of the look; what differs from the defaults goes along.
        cases: what holds, in order.
        pairs: whether they are preference pairs.
    """
    names = [case.name for case in cases]
    once = ["--without-suspects", DUPLICATE, NEAR_DUPLICATE] if REDUNDANT in names else []
    select = ["spice", "select", pool]
    if pairs:
        asked = [*command_words(settings.gradients), "--budget", settings.look.budget]
        more = [*command_words(settings.proxy), *command_words(settings.data)]
        compare = ["spice", "compare", pool, "--methods", "information,top-norm,margin-low", *asked, *more, "--train"]
        return (
            shlex.join([*select, *command_words(settings.gradients), *once, *_common(settings)]),
            shlex.join(compare),
        )
    if TARGETED in names:
        aimed = ["--target", *settings.look.target, *command_words(settings.gradients)]
        return (shlex.join([*select, *aimed, *once, *_common(settings)]),)
    plain = [*select, *command_words(settings.gradients), *once, *_common(settings)]
    if NOISY not in names:
        return (shlex.join(plain),)
    run = f"runs/{re.sub(r'[^A-Za-z0-9_-]', '_', Path(pool).name.split('.')[0]) or 'pool'}-chosen"
    return (shlex.join([*plain, "--out", run]), shlex.join(["spice", "suspects", run, "--unprompted"]))


def _common(settings: HeadroomSettings) -> list[str]:
    seed = ["--seed", str(settings.look.seed)] if settings.look.seed else []
    return ["--budget", settings.look.budget, *seed, *command_words(settings.proxy), *command_words(settings.data)]
