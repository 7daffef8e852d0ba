"""The results of a whole comparison, judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spice_select.comparison.bed import beds
from spice_select.comparison.cells import estimate_line
from spice_select.comparison.judged_set import JudgedSet, judge_bed
from spice_select.comparison.overall import Overall, judge_overall
from spice_select.comparison.paragraph import overall_paragraph, paragraph_of
from spice_select.comparison.records import ArmRun
from spice_select.comparison.report_table import Line, ReportTable, finite_only
from spice_select.comparison.tables import arm_line, beside_table, elsewhere_table, judged_table, overall_table
from spice_select.comparison.terms import Terms
from spice_select.errors import InputError

PREFERRED = ("target", "outside", "pool")
"""Held-out sets in the order in which the first that there is becomes the primary one. Held-out rows of the pool come
last: a random sample is the best match of what it was drawn from, and any tilt pays there."""


@dataclass(frozen=True, eq=False)
class Ruling:
    """What may be said of rivals under one budget.

    Attributes:
        terms: what was fixed beforehand.
        sets: a bed, a budget and a held-out set each.
        overall: the same over several beds, where there are several.
        notes: what holds of all of it.
    """

    terms: Terms
    sets: tuple[JudgedSet, ...]
    overall: tuple[Overall, ...]
    notes: tuple[str, ...]

    @property
    def primaries(self) -> list[JudgedSet]:
        """The set that the words are about, of each bed and budget."""
        return [_primary(group, self.terms) for group in _groups(self.sets)]

    @property
    def paragraph(self) -> str:
        """What was found on the primary sets, to be pasted: one for each bed and budget, and for several beds."""
        primaries = self.primaries
        names = {one.bed.held for one in primaries}
        together = [overall_paragraph(one, self.terms) for one in self.overall if one.held in names]
        return "\n\n".join([*(paragraph_of(one) for one in primaries), *together])

    def tables(self) -> list[ReportTable]:
        """For each bed and budget: the primary set, its other endpoints, the other sets; then the beds together."""
        found = []
        for group in _groups(self.sets):
            primary = _primary(group, self.terms)
            others = [one for one in group if one is not primary]
            found += [judged_table(primary), *([beside_table(primary)] if primary.beside else [])]
            found += [elsewhere_table(others)] if others else []
        return found + [overall_table(one, self.terms) for one in self.overall]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; what is not a finite number is null."""
        primaries = self.primaries
        raw = {
            "paragraph": self.paragraph,
            "notes": self.notes,
            "terms": _terms(self.terms),
            "sets": [{"primary": one in primaries, **_set(one)} for one in self.sets],
            "overall": [
                {
                    "beds": one.beds,
                    "held": one.held,
                    "budget": one.budget,
                    "lines": overall_table(one, self.terms).lines,
                }
                for one in self.overall
            ],
        }
        return finite_only(raw)


def judge(records: Sequence[ArmRun], terms: Terms | None = None) -> Ruling:
    """Each bed, budget and held-out set of `records`: every arm beside random, and its word.

    Args:
        records: all that ran, in any order; `read_arm_runs` reads them.
        terms: what was fixed before the first of them.

    Raises:
        InputError: no records, no run of the control, a run that is there twice, runs judged on different rows, or a
            primary set that there is not.
    """
    terms = terms or Terms()
    if not records:
        raise InputError("no record: nothing ran, so nothing can be judged. Run the arms first.")
    sets = tuple(judge_bed(bed, terms) for bed in beds(records))
    if terms.primary is not None and terms.primary not in {one.bed.held for one in sets}:
        there = sorted({one.bed.held for one in sets})
        raise InputError(f"primary {terms.primary!r}: no run was judged on it, only on {there}. Name one of these.")
    return Ruling(terms, sets, tuple(_overall(sets, terms)), tuple(_unjudged(records)))


def _groups(sets: Sequence[JudgedSet]) -> list[list[JudgedSet]]:
    grouped: dict[tuple[str, float | None], list[JudgedSet]] = {}
    for one in sets:
        grouped.setdefault((one.bed.name, one.bed.budget), []).append(one)
    return list(grouped.values())


def _primary(group: Sequence[JudgedSet], terms: Terms) -> JudgedSet:
    by_name = {one.bed.held: one for one in sorted(group, key=lambda one: (one.task, one.bed.held))}
    wanted = ([terms.primary] if terms.primary else []) + [*PREFERRED, *by_name]
    return next(by_name[name] for name in wanted if name in by_name)


def _overall(sets: Sequence[JudgedSet], terms: Terms) -> list[Overall]:
    grouped: dict[tuple[str, float | None], list[JudgedSet]] = {}
    for one in sets:
        if one.contrasts is None or one.contrasts.trusted:
            grouped.setdefault((one.bed.held, one.bed.budget), []).append(one)
    return [judge_overall(group, terms) for group in grouped.values() if len(group) > 1]


def _unjudged(records: Sequence[ArmRun]) -> list[str]:
    """Runs that lack a set which others of their bed have."""
    sets: dict[str, dict[str, None]] = {}
    for record in records:
        sets.setdefault(record.bed, {}).update(dict.fromkeys(held.name for held in record.held))
    found = []
    for record in records:
        if missing := [name for name in sets[record.bed] if name not in {held.name for held in record.held}]:
            found.append(f"{record}: was not judged on {', '.join(missing)}, and does not count there")
    return found


def _terms(terms: Terms) -> Line:
    return {
        "endpoint": terms.endpoint.name,
        "others": [one.name for one in terms.others],
        "primary": terms.primary,
        "margin": terms.margin,
        "alpha": terms.alpha,
        "control": terms.control,
        "ceilings": [*terms.ceilings, terms.clean],
        "contrasts": terms.contrasts,
        "equal": terms.equal,
    }


def _set(one: JudgedSet) -> Line:
    compared, pilot, room, contrasts = one.compared, one.pilot, one.room, one.contrasts
    terms = compared.terms
    return {
        "bed": one.bed.name,
        "budget": one.bed.budget,
        "held": one.bed.held,
        "task": one.task,
        "endpoint": terms.endpoint.name,
        "family": compared.family,
        "untuned": compared.untuned,
        "control": arm_line(compared.control, terms),
        "arms": [arm_line(arm, terms) for arm in compared.arms],
        "beside": {
            endpoint: {arm: estimate_line(difference) for arm, difference in found.items()}
            for endpoint, found in one.beside.items()
        },
        "pilot": None
        if pilot is None
        else {
            "first": pilot.first,
            "second": pilot.second,
            "left out": pilot.left_out,
            "difference": estimate_line(pilot.difference),
            "sd": pilot.sd,
            "passed": pilot.passed(terms.alpha),
        },
        "headroom": None
        if room is None
        else {"gains": room.gains, "best": room.best, "sd": room.sd, "tells": room.tells},
        "contrasts": None
        if contrasts is None
        else {
            "losses": contrasts.losses,
            "missing": contrasts.missing,
            "wrong": contrasts.wrong,
            "trusted": contrasts.trusted,
        },
        "notes": one.notes,
    }
