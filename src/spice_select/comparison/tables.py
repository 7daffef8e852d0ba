"""What was found in one bed, as tables."""

import math
from collections.abc import Sequence
from dataclasses import replace

from spice_select.comparison.bed import beds
from spice_select.comparison.cells import (
    estimate_line,
    ratio_line,
    seeds_text,
    shown_chance,
    shown_count,
    shown_difference,
    shown_ends,
    shown_flops,
    shown_loss,
    shown_passed,
    shown_plain,
    shown_ratio,
    shown_seeds,
    shown_tokens,
)
from spice_select.comparison.compared import Compared, Comparison
from spice_select.comparison.judged_set import JudgedSet
from spice_select.comparison.null_check import null_check
from spice_select.comparison.overall import Overall
from spice_select.comparison.records import ArmRun
from spice_select.comparison.report_table import Column, Line, ReportTable
from spice_select.comparison.statistics.verdicts import MOST_TOKENS_APART
from spice_select.comparison.terms import Terms
from spice_select.settings.counted import counted


def arms_table(compared: Compared, columns: tuple[Column, ...] | None = None) -> ReportTable:
    """Untuned, random, and every arm beside random."""
    terms = compared.terms
    untuned = {"arm": terms.untuned, "loss": compared.untuned}
    lines = [untuned, *(arm_line(one, terms) for one in (compared.control, *compared.arms))]
    if math.isnan(compared.untuned):
        lines.remove(untuned)
    return ReportTable(compared.bed.title, columns or ARM_COLUMNS, tuple(lines), tuple(_notes(compared, lines)))


def arm_line(one: Comparison, terms: Terms) -> Line:
    """All that is known of an arm, JSON-ready but for numbers that are not finite."""
    return {
        "arm": one.arm,
        "seeds": len(one.seeds),
        "subsets": one.subsets,
        "rows": one.rows,
        "supervised": one.supervised,
        "tokens": (one.supervised, one.apart),
        "tokens apart": one.apart,
        "loss": one.loss,
        "difference": estimate_line(one.difference),
        "simultaneous": one.simultaneous,
        "bootstrap": one.bootstrap,
        "apart": one.simultaneous is not None and not one.simultaneous[0] <= 0 <= one.simultaneous[1],
        "recovered": ratio_line(one.recovered),
        "adjusted p": one.p,
        "bad": one.bad,
        "way": ratio_line(one.way),
        "improvement": one.improvement,
        "seconds": one.seconds,
        "flops": one.flops,
        "word": None if one.arm == terms.control else one.verdict.word,
        "verdict": "" if one.arm == terms.control else str(one.verdict),
    }


def judged_table(judged: JudgedSet) -> ReportTable:
    """The arms of one set with their costs and words."""
    table = arms_table(judged.compared, RULING_COLUMNS)
    return replace(table, notes=(*table.notes, *(f"{note}." for note in judged.notes)))


def beside_table(judged: JudgedSet) -> ReportTable:
    """The same arms by other endpoints."""
    columns = [Column("chosen by", "arm", shown_plain)]
    lines: dict[str, Line] = {arm.arm: {"arm": arm.arm} for arm in judged.compared.arms}
    for name, differences in judged.beside.items():
        columns.append(Column(name, name, shown_difference))
        for arm, difference in differences.items():
            lines[arm][name] = estimate_line(difference)
    note = f"{judged.compared.terms.control} − arm, ± half of the 95 % interval. Shown for what it is: no claim."
    return ReportTable(f"{judged.bed.title}, by other endpoints", tuple(columns), tuple(lines.values()), (note,))


def elsewhere_table(sets: Sequence[JudgedSet]) -> ReportTable:
    """The other held-out sets of a bed: a column a set, exploratory."""
    columns, lines, notes = [Column("chosen by", "arm", shown_plain)], dict[str, Line](), list[str]()
    for one in sets:
        name = one.bed.held
        columns += [Column(name, name, shown_difference), Column("", f"{name}, word", shown_plain)]
        for arm in one.compared.arms:
            line = lines.setdefault(arm.arm, {"arm": arm.arm})
            line[name] = estimate_line(arm.difference)
            line[f"{name}, word"] = arm.verdict.word if one.compared.terms.claims(arm.arm) else None
        notes += [f"{name}: {note}." for note in one.notes]
    bed = sets[0].bed
    title = f"{replace(bed, held='the other sets').title} (exploratory)"
    return ReportTable(title, tuple(columns), tuple(lines.values()), tuple(notes))


def overall_table(overall: Overall, terms: Terms) -> ReportTable:
    """The arms over several beds."""
    lines = [
        {
            "arm": one.arm,
            "seeds": len(one.seeds),
            "difference": estimate_line(one.difference),
            "adjusted p": one.p,
            "word": one.verdict.word,
            "verdict": str(one.verdict),
        }
        for one in overall.arms
    ]
    budget = "" if overall.budget is None else f" at {100 * overall.budget:.3g} % of the {terms.given}"
    notes = [
        f"Mean over {', '.join(overall.beds)}, which are fixed: nothing is claimed of others. {terms.control} − arm, ± "
        "half of the 95 % interval."
    ]
    if overall.left_out:
        notes.append(f"Not in all of them with two seeds or more: {', '.join(overall.left_out)}.")
    columns = (HEAD_COLUMNS[0], HEAD_COLUMNS[1], JUDGED_COLUMNS[1], *SAID_COLUMNS)
    title = f"{len(overall.beds)} beds{budget}, judged on {overall.held}"
    return ReportTable(title, columns, tuple(lines), tuple(notes))


def _notes(compared: Compared, lines: Sequence[Line]) -> list[str]:
    terms, unit = compared.terms, compared.terms.unit(compared.bed.held)
    measured = "in nats" if unit == "nats" else f"a share {unit}"
    notes = [
        f"{terms.endpoint.name}, {measured}, lower is better; differences are {terms.control} − arm, paired by seed "
        "and row, ± half of the 95 % interval (closed form, seeds and rows crossed).",
        f"Verdicts: Holm over {counted(compared.family, 'arm')} at {terms.alpha:g}; margin of equivalence "
        f"{terms.margin:g}. The simultaneous intervals are Bonferroni's: one that leaves out zero says more than the "
        "verdict.",
        f"R is the difference over what {terms.control} gains on the untuned model, with Fieller's interval.",
    ]
    if math.isnan(compared.untuned):
        notes.append(f"No run of {terms.untuned!r}: no R.")
    if any(abs(line.get("tokens apart", 0.0)) > MOST_TOKENS_APART for line in lines):
        notes.append(marked_note(terms))
    if unlike := [one.arm for one in compared.arms if _unlike(one)]:
        notes.append(f"The crossed bootstrap and the closed form disagree on whether 0 is inside: {', '.join(unlike)}.")
    if single := [one.arm for one in compared.arms if len(one.seeds) > 1 and one.subsets == 1]:
        notes.append(
            f"One and the same subset for every seed: {', '.join(single)}. Their intervals are about this subset of "
            "this pool, not about the method."
        )
    unpaired = {one.arm: one.left_out for one in compared.arms if one.left_out}
    notes += [
        f"{arm}: seeds {seeds_text(seeds)} have no {terms.control} run, and no difference."
        for arm, seeds in unpaired.items()
    ]
    return notes


def _unlike(one: Comparison) -> bool:
    if one.difference is None or one.bootstrap is None:
        return False
    closed, drawn = (low <= 0 <= high for low, high in (one.difference.interval(), one.bootstrap))
    return closed != drawn


def marked_note(terms: Terms) -> str:
    """What the mark of `shown_tokens` means."""
    return f"† its supervised tokens are more than {MOST_TOKENS_APART:.0%} off those of {terms.control}."


def null_checks(records: Sequence[ArmRun], terms: Terms | None = None) -> ReportTable:
    """A line a bed: random beside random (A/A), where any difference is a false one."""
    terms = terms or Terms()
    lines = []
    for bed in beds(records):
        one = null_check(bed, terms)
        lines.append(
            {
                "bed": bed.title,
                "first": one.first,
                "second": one.second,
                "left out": one.left_out,
                "difference": estimate_line(one.difference),
                "p": one.difference.p(),
                "passed": one.passed(terms.alpha),
            }
        )
    note = f"{terms.endpoint.name}; a difference is found by chance in {terms.alpha:.0%} of such checks."
    return ReportTable(f"{terms.control} beside {terms.control}", NULL_COLUMNS, tuple(lines), (note,))


HEAD_COLUMNS = (
    Column("chosen by", "arm", shown_plain),
    Column("seeds", "seeds", shown_plain),
    Column("rows", "rows", shown_count),
    Column("supervised tokens", "tokens", shown_tokens),
)
JUDGED_COLUMNS = (
    Column("loss", "loss", shown_loss),
    Column("random − arm", "difference", shown_difference),
    Column("simultaneous 95 %", "simultaneous", shown_ends),
    Column("R", "recovered", shown_ratio),
)
SAID_COLUMNS = (Column("Holm's p", "adjusted p", shown_chance), Column("verdict", "verdict", shown_plain))
COST_COLUMNS = (Column("seconds", "seconds", shown_count), Column("FLOPs", "flops", shown_flops))
ARM_COLUMNS = (*HEAD_COLUMNS, *JUDGED_COLUMNS, *SAID_COLUMNS)
RULING_COLUMNS = (*HEAD_COLUMNS, *COST_COLUMNS, *JUDGED_COLUMNS, *SAID_COLUMNS)
NULL_COLUMNS = (
    Column("bed", "bed", shown_plain),
    Column("seeds", "first", shown_seeds),
    Column("beside", "second", shown_seeds),
    Column("left out", "left out", shown_seeds),
    Column("difference", "difference", shown_difference),
    Column("p", "p", shown_chance),
    Column("said", "passed", shown_passed),
)
