"""What was found in one bed, as tables."""

import math
from collections.abc import Sequence

from spice_select.comparison.cells import (
    estimate_line,
    ratio_line,
    seeds_text,
    shown_chance,
    shown_count,
    shown_difference,
    shown_ends,
    shown_loss,
    shown_passed,
    shown_plain,
    shown_ratio,
    shown_seeds,
    shown_tokens,
)
from spice_select.comparison.compared import Compared, Comparison, Terms, beds, null_check
from spice_select.comparison.records import ArmRun
from spice_select.comparison.report_table import Column, Line, ReportTable
from spice_select.comparison.statistics.verdicts import MOST_TOKENS_APART


def arms_table(compared: Compared, columns: tuple[Column, ...] | None = None) -> ReportTable:
    """Untuned, random, and every arm beside random."""
    terms = compared.terms
    untuned = {"arm": terms.untuned, "loss": compared.untuned}
    lines = [untuned, *(_line(one, terms) for one in (compared.control, *compared.arms))]
    if math.isnan(compared.untuned):
        lines.remove(untuned)
    return ReportTable(compared.bed.title, columns or ARM_COLUMNS, tuple(lines), tuple(_notes(compared, lines)))


def _line(one: Comparison, terms: Terms) -> Line:
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
        "verdict": "" if one.arm == terms.control else str(one.verdict),
    }


def _notes(compared: Compared, lines: Sequence[Line]) -> list[str]:
    terms = compared.terms
    notes = [
        f"{terms.endpoint.name}, in nats, lower is better; differences are {terms.control} − arm, paired by seed and "
        "row, ± half of the 95 % interval (closed form, seeds and rows crossed).",
        f"Verdicts: Holm over {compared.family} arms at {terms.alpha:g}; margin of equivalence {terms.margin:g}. The "
        "simultaneous intervals are Bonferroni's: one that leaves out zero says more than the verdict.",
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
ARM_COLUMNS = (*HEAD_COLUMNS, *JUDGED_COLUMNS, *SAID_COLUMNS)
NULL_COLUMNS = (
    Column("bed", "bed", shown_plain),
    Column("seeds", "first", shown_seeds),
    Column("beside", "second", shown_seeds),
    Column("left out", "left out", shown_seeds),
    Column("difference", "difference", shown_difference),
    Column("p", "p", shown_chance),
    Column("said", "passed", shown_passed),
)
