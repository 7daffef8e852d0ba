"""All kinds, one after the other, over one body of evidence."""

from collections.abc import Iterable

from spice_select.diagnosis.suspects import PAIR_SUSPECTS, SUSPECTS, Evidence, Suspects, Suspicion
from spice_select.progress import Progress, Silent

_REMEDIES = {
    "losses": "no losses are known to it. `spice suspects RUN --unprompted` takes them, and so does a choice that is "
    "not interleaved where `--without-suspects` names the kind",
    "learnability": "it takes two short trainings: ask for it with `spice suspects RUN --learnability`",
}
"""Field of `Evidence` → what is wrong where it is missing, and what to do."""


def look_for(evidence: Evidence, kinds: Iterable[str] | None = None, progress: Progress | None = None) -> Suspects:
    """What each kind finds in the evidence: those of pairs where that is of pairs.

    Args:
        evidence: of one row or more.
        kinds: names in the table; all by default. One that lacks what it needs is named in `unavailable`.
        progress: shown how far the work is.

    Raises:
        InputError: an unknown kind.
    """
    progress = progress or Silent()
    table = PAIR_SUSPECTS if evidence.pairs else SUSPECTS
    asked = [table[name] for name in (table.names if kinds is None else kinds)]
    lacking = {kind.name: missing for kind in asked if (missing := _missing(kind, evidence))}
    able = [kind for kind in table if kind in asked and kind.name not in lacking]
    with progress.task("Suspects", len(evidence) * len(able), "rows") as advance:
        found = {kind.name: kind.find(evidence, advance) for kind in able}
    unavailable = {name: _REMEDIES[field] for name, field in lacking.items()}
    return Suspects(rows=evidence.rows, found=found, unavailable=unavailable)


def _missing(kind: Suspicion, evidence: Evidence) -> str:
    """The first field that the kind needs and the evidence lacks; "" if there is none."""
    return next((field for field in kind.needs if getattr(evidence, field) is None), "")
