"""What was found, as tables."""

import math
from collections.abc import Mapping, Sequence

from benchmarks.evidence.ranks import spearman

from spice_select.comparison.bed import Bed, beds
from spice_select.comparison.cells import (
    estimate_line,
    seeds_text,
    shown_chance,
    shown_difference,
    shown_loss,
    shown_percent,
    shown_plain,
    shown_ratio,
    shown_signed,
    shown_tokens,
)
from spice_select.comparison.compared import compare_beds
from spice_select.comparison.contrasts import check_contrasts
from spice_select.comparison.records import ArmRun, tokens_apart
from spice_select.comparison.report_table import Column, Line, ReportTable
from spice_select.comparison.statistics import CrossedEstimate, holm, over_beds
from spice_select.comparison.statistics.verdicts import MOST_TOKENS_APART
from spice_select.comparison.tables import HEAD_COLUMNS, JUDGED_COLUMNS, SAID_COLUMNS, arms_table, marked_note
from spice_select.comparison.terms import Terms
from spice_select.errors import InputError


def targets(records: Sequence[ArmRun], terms: Terms | None = None) -> list[ReportTable]:
    """A table a bed: untuned, random, and every arm beside random."""
    return [arms_table(one) for one in compare_beds(records, terms)]


def noise(records: Sequence[ArmRun], terms: Terms | None = None) -> list[ReportTable]:
    """As `targets`, with the share of spoilt rows among the picks, and of the way to a random draw of clean rows."""
    return [arms_table(one, NOISE_COLUMNS) for one in compare_beds(records, terms)]


def variants(
    records: Sequence[ArmRun], arms: Mapping[str, str], terms: Terms | None = None, *, of: str
) -> list[ReportTable]:
    """One selector's variants: each beside random, and beside the first of `arms` (label → arm). `of` heads the labels.

    A table a bed, and, where there are several, one of the mean over beds by the seeds that all of them share. The
    p-values of the arms against the first are Holm's.

    Raises:
        InputError: an arm that a bed lacks, or fewer than two shared seeds.
    """
    terms, found = terms or Terms(), beds(records)
    names = [terms.control, *arms.values()]
    for bed in found:
        if missing := [name for name in names if name not in bed.arms]:
            raise InputError(f"{bed.name}: has no runs of {missing}, only of {sorted(bed.arms)}. Run them first.")
    groups = [(bed.title, [bed]) for bed in found]
    if len(found) > 1:
        groups.append((f"mean over {len(found)} beds", found))
    return [_variants(title, group, arms, terms, of) for title, group in groups]


def _variants(title: str, group: Sequence[Bed], arms: Mapping[str, str], terms: Terms, of: str) -> ReportTable:
    seeds = sorted(set.intersection(*(set(bed.shared(terms.control, *arms.values())) for bed in group)))
    if len(seeds) < 2:
        raise InputError(f"{[bed.name for bed in group]}: share seeds {seeds}; two are the least. Run more.")
    first, *others = arms.values()
    against = {arm: _over(group, first, arm, seeds, terms) for arm in others}
    ps = dict(zip(others, holm([estimate.p() for estimate in against.values()]), strict=True))
    lines: list[Line] = []
    for label, arm in arms.items():
        estimate = against.get(arm)
        lines.append(
            {
                of: label,
                "arm": arm,
                "loss": _mean_loss(group, arm, seeds, terms),
                "tokens": _farthest([_tokens_of(bed, arm, seeds, terms) for bed in group]),
                "difference": estimate_line(_over(group, terms.control, arm, seeds, terms)),
                "over first": estimate_line(estimate),
                "errors": _in_errors(estimate) if estimate else None,
                "p": ps.get(arm),
            }
        )
    notes = [
        f"{terms.endpoint.name}, lower is better; seeds {seeds_text(seeds)}; ± is half of the paired 95 % interval."
    ]
    if any(abs(line["tokens"][1]) > MOST_TOKENS_APART for line in lines):
        notes.append(marked_note(terms))
    return ReportTable(title, (Column(of, of, shown_plain), *VARIANT_COLUMNS), tuple(lines), tuple(notes))


def _mean_loss(group: Sequence[Bed], arm: str, seeds: Sequence[int], terms: Terms) -> float:
    losses = [terms.endpoint.value(bed.judged(arm)[seed]) for bed in group for seed in seeds]
    return sum(losses) / len(losses)


def _tokens_of(bed: Bed, arm: str, seeds: Sequence[int], terms: Terms) -> tuple[float, float]:
    """Mean supervised tokens of `arm`, and by what share they differ from random's."""
    ours, theirs = ([bed.arms[one][seed] for seed in seeds] for one in (arm, terms.control))
    return sum(run.selection.supervised for run in ours) / len(ours), tokens_apart(ours, theirs)


def _farthest(tokens: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean tokens over beds, and the share of the bed that is farthest off."""
    return sum(mean for mean, _ in tokens) / len(tokens), max((apart for _, apart in tokens), key=abs)


def _over(group: Sequence[Bed], other: str, arm: str, seeds: Sequence[int], terms: Terms) -> CrossedEstimate:
    """`other` − `arm`, averaged over the beds of `group`."""
    lines = [bed.differences(other, arm, seeds, terms.endpoint) for bed in group]
    return over_beds(lines, [bed.strata(terms.endpoint) for bed in group])


def surrogates(
    records: Sequence[ArmRun], values: Mapping[str, Mapping[int, float]], terms: Terms | None = None
) -> list[ReportTable]:
    """Do `values` (name → seed → number), known before tuning, rank random's subsets as the tuned loss does.

    A table a bed. The supervised tokens of a subset are always among them: if they rank the losses, the subsets were
    not matched.

    Raises:
        InputError: a surrogate that lacks a subset, or too few subsets.
    """
    terms, tables = terms or Terms(), []
    for bed in beds(records):
        runs, held = bed.arms.get(terms.control, {}), bed.judged(terms.control)
        seeds = sorted(runs)
        known = {"supervised tokens": {seed: float(runs[seed].selection.supervised) for seed in seeds}, **values}
        losses = [terms.endpoint.value(held[seed]) for seed in seeds]
        found, dropped = {}, []
        for name, numbers in known.items():
            if missing := sorted(set(seeds) - set(numbers)):
                raise InputError(f"{name}: has no value for subsets {missing} of {bed.name}. Compute them, or drop it.")
            if len({numbers[seed] for seed in seeds}) == 1:
                dropped.append(f"{name} is the same for all subsets, and ranks nothing.")
            else:
                found[name] = spearman([numbers[seed] for seed in seeds], losses)
        adjusted = holm([one.p for one in found.values()])
        lines = [
            {"surrogate": name, "rho": one.rho, "p": one.p, "adjusted p": p, "subsets": one.count}
            for (name, one), p in zip(found.items(), adjusted, strict=True)
        ]
        notes = (f"Spearman's ρ with the tuned {terms.endpoint.name}: negative is a useful surrogate that grows.",)
        title = f"{bed.title}: {len(seeds)} random subsets"
        tables.append(ReportTable(title, SURROGATE_COLUMNS, tuple(lines), (*notes, *dropped)))
    return tables


def gold(records: Sequence[ArmRun], terms: Terms) -> list[ReportTable]:
    """Of sets of gold answers: whether each tells what is known, and every arm beside random over those that do."""
    sets = [bed for bed in beds(records) if bed.task]
    checks = {bed.held: check_contrasts(bed, terms) for bed in sets}
    lines: list[Line] = [
        {
            "set": bed.held.removeprefix("gold-"),
            "rows": len(next(iter(bed.judged(terms.untuned).values())).rows),
            "said": str(checks[bed.held]),
        }
        for bed in sets
    ]
    trusted = [bed for bed in sets if checks[bed.held].trusted]
    over = [_beside_random(trusted, terms)] if len(trusted) > 1 else []
    return [ReportTable("gold answers: do they tell what is known?", CONTRAST_COLUMNS, tuple(lines)), *over]


def _beside_random(group: Sequence[Bed], terms: Terms) -> ReportTable:
    """Every arm with two seeds or more beside random, averaged over sets by the seeds that both ran with."""
    ran = {arm: group[0].shared(terms.control, arm) for arm in group[0].arms if arm != terms.control}
    seeds = {arm: shared for arm, shared in ran.items() if len(shared) > 1}
    found = {arm: _over(group, terms.control, arm, shared, terms) for arm, shared in seeds.items()}
    ps = holm([estimate.p() for estimate in found.values()])
    lines: list[Line] = [
        {"arm": arm, "seeds": len(seeds[arm]), "difference": estimate_line(estimate), "p": p}
        for (arm, estimate), p in zip(found.items(), ps, strict=True)
    ]
    title = f"mean over {len(group)} sets of gold answers"
    note = f"{terms.endpoint.name}; random − arm, ± is half of the paired 95 % interval: higher is better."
    return ReportTable(title, GOLD_COLUMNS, tuple(lines), (note,))


def _in_errors(estimate: CrossedEstimate) -> float:
    return estimate.mean / estimate.error if estimate.error else math.nan


NOISE_COLUMNS = (
    *HEAD_COLUMNS,
    Column("spoilt picks", "bad", shown_percent),
    *JUDGED_COLUMNS,
    Column("way to clean random", "way", shown_ratio),
    *SAID_COLUMNS,
)
VARIANT_COLUMNS = (
    Column("supervised tokens", "tokens", shown_tokens),
    Column("loss", "loss", shown_loss),
    Column("random − arm", "difference", shown_difference),
    Column("first − arm", "over first", shown_difference),
    Column("in standard errors", "errors", shown_signed),
    Column("Holm's p", "p", shown_chance),
)
CONTRAST_COLUMNS = (
    Column("judged on", "set", shown_plain),
    Column("rows", "rows", shown_plain),
    Column("", "said", shown_plain),
)
GOLD_COLUMNS = (
    Column("arm", "arm", shown_plain),
    Column("seeds", "seeds", shown_plain),
    Column("random − arm", "difference", shown_difference),
    Column("Holm's p", "p", shown_chance),
)
SURROGATE_COLUMNS = (
    Column("surrogate", "surrogate", shown_plain),
    Column("ρ", "rho", shown_signed),
    Column("p", "p", shown_chance),
    Column("Holm's p", "adjusted p", shown_chance),
)
