"""One held-out set of one bed: every arm's word, after all that could speak against it."""

import math
from dataclasses import dataclass, replace

from spice_select.comparison.bed import Bed
from spice_select.comparison.compared import Compared, Comparison, compare_bed
from spice_select.comparison.contrasts import ContrastCheck, check_contrasts
from spice_select.comparison.null_check import NullCheck, null_check
from spice_select.comparison.room import Room, room_above
from spice_select.comparison.statistics import CrossedEstimate, Endpoint, Verdict, best_by_luck
from spice_select.comparison.statistics.verdicts import LEAST_SEEDS
from spice_select.comparison.terms import Terms
from spice_select.errors import InputError

LEAST_PILOT = 4
"""Seeds of the control that can be split in two halves of a spread each."""


@dataclass(frozen=True, eq=False)
class JudgedSet:
    """A bed's arms on one held-out set.

    Attributes:
        compared: the arms with their words; its terms name the endpoint that was used.
        beside: other endpoint → arm → difference from random, which decide nothing.
        pilot: random against random; None with fewer than four seeds of it.
        room: the headroom; None where no ceiling ran.
        contrasts: the check of a task's proxy; None for held-out rows, which are no proxy of anything.
        notes: what a person should know.
    """

    compared: Compared
    beside: dict[str, dict[str, CrossedEstimate]]
    pilot: NullCheck | None
    room: Room | None
    contrasts: ContrastCheck | None
    notes: tuple[str, ...]

    @property
    def bed(self) -> Bed:
        return self.compared.bed

    @property
    def task(self) -> bool:
        """Whether the held-out set is a benchmark's."""
        return self.bed.task

    @property
    def claimed(self) -> list[Comparison]:
        """The arms of which something is claimed, the best first."""
        return [arm for arm in self.compared.arms if self.compared.terms.claims(arm.arm)]


def judge_bed(bed: Bed, terms: Terms) -> JudgedSet:
    """The words on one held-out set."""
    bed = replace(bed, given=terms.given)
    endpoint, note = _endpoint(bed, terms)
    used = replace(terms, endpoint=endpoint)
    compared = compare_bed(bed, used)
    pilot = null_check(bed, used) if len(bed.shared(terms.control)) >= LEAST_PILOT else None
    room = room_above(bed, used)
    contrasts = check_contrasts(bed, used) if bed.task else None
    arms = tuple(replace(arm, verdict=_word(arm.verdict, room, contrasts)) for arm in compared.arms)
    judged = JudgedSet(
        compared=replace(compared, arms=arms),
        beside={other.name: _differences(compared, other) for other in terms.others if _usable(other, bed, terms)},
        pilot=pilot,
        room=room,
        contrasts=contrasts,
        notes=(),
    )
    return replace(judged, notes=tuple(filter(None, [note, *_notes(judged)])))


def _differences(compared: Compared, endpoint: Endpoint) -> dict[str, CrossedEstimate]:
    bed, control = compared.bed, compared.terms.control
    paired = {arm.arm: arm.seeds for arm in compared.arms if len(arm.seeds) > 1}
    return {arm: bed.difference(control, arm, seeds, endpoint) for arm, seeds in paired.items()}


def _word(verdict: Verdict, room: Room | None, contrasts: ContrastCheck | None) -> Verdict:
    """What is left of a word. What was found stands, whatever the headroom; what was not may not have been there."""
    if verdict.word == "no verdict":
        return verdict
    if contrasts is not None and not contrasts.trusted:
        return Verdict("no verdict", str(contrasts))
    if room is not None and not room.tells and verdict.word in ("equivalent", "undecided"):
        return Verdict("cannot tell", str(room))
    if room is not None and not room.tells and verdict.word == "better":
        though = f"though the {room}: {room.best} is no upper bound here"
        return Verdict("better", ", ".join(filter(None, [verdict.detail, though])))
    return verdict


def _endpoint(bed: Bed, terms: Terms) -> tuple[Endpoint, str | None]:
    """The endpoint of the terms, or the first of the others where a source of a single row leaves it no spread."""
    usable = [one for one in (terms.endpoint, *terms.others) if _usable(one, bed, terms)]
    if not usable:
        raise InputError(f"{bed.title}: none of the endpoints can be taken. Hold out at least two rows of each source.")
    if usable[0] is terms.endpoint:
        return usable[0], None
    return usable[0], f"a source has a single row: judged by {usable[0].name} instead of {terms.endpoint.name}"


def _usable(endpoint: Endpoint, bed: Bed, terms: Terms) -> bool:
    held = next(iter(bed.judged(terms.control).values()), None)
    try:
        return held is None or bool(len(endpoint.contributions(held.sums, held)))
    except InputError:
        return False


def _notes(judged: JudgedSet) -> list[str]:
    compared, terms = judged.compared, judged.compared.terms
    notes = []
    if judged.pilot is None:
        notes.append(f"{terms.control} against {terms.control}: not checked, it has fewer than {LEAST_PILOT} seeds")
    else:
        notes.append(_pilot(judged.pilot, terms))
    if judged.room is None:
        notes.append(f"headroom: not measured, for no run of {', '.join((*terms.ceilings, terms.clean))}")
    else:
        notes.append(str(judged.room))
    if judged.contrasts is not None:
        notes.append(str(judged.contrasts))
    if not math.isnan(compared.untuned) and not compared.control.loss < compared.untuned:
        notes.append(f"{terms.control} is no better than {terms.untuned}: the tuning itself does not help on this set")
    if curse := _curse(judged):
        notes.append(curse)
    return notes


def _pilot(pilot: NullCheck, terms: Terms) -> str:
    difference, pairs = pilot.difference, len(pilot.first)
    said = (
        f"{terms.control} against {terms.control}, {pairs} pairs: {difference.mean:+.4f} ± {difference.half():.4f}, p "
        f"{difference.p():.3f}, standard deviation of a pair {pilot.sd:.4f}"
    )
    if pilot.passed(terms.alpha):
        little = "" if pairs >= LEAST_SEEDS else ", though so few pairs would hardly show one"
        return f"{said}: no difference was found, as there is none{little}"
    return f"{said}: a false difference, as chance finds in {terms.alpha:.0%} of comparisons; trust small ones less"


def _curse(judged: JudgedSet) -> str | None:
    """The best of many is reported too good."""
    arms = [arm for arm in judged.claimed if arm.verdict.word != "no verdict"]
    if len(arms) < 2 or arms[0].difference is None or arms[0].difference.mean <= 0:
        return None
    luck, unit = best_by_luck(len(arms)), judged.compared.terms.unit(judged.bed.held)
    return (
        f"{arms[0].arm} is the best of {len(arms)}: were all of them like {judged.compared.terms.control}, the best "
        f"would lie up to {luck:.1f} standard errors ({luck * arms[0].difference.error:.4f} {unit}) above it by luck. "
        "Run it again on fresh seeds, and report that number"
    )
