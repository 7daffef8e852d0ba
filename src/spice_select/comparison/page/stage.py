"""From a comparison to its page, and to its figures as images."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from spice_select.comparison.arms import meaning_of
from spice_select.comparison.judged_set import JudgedSet
from spice_select.comparison.page.choices import choices_section
from spice_select.comparison.page.curves import budget_figures, cost_figures
from spice_select.comparison.page.verdicts import verdict_figures
from spice_select.comparison.records import read_arm_runs
from spice_select.comparison.report_table import Column, Line, ReportTable
from spice_select.comparison.result import MethodsCompared
from spice_select.comparison.ruling import Ruling, judge
from spice_select.comparison.settings import LEAST_SEEDS_TO_TRAIN, seeds_of
from spice_select.comparison.terms import Terms
from spice_select.comparison.tuning import RECORDS, places_on_record
from spice_select.errors import InputError
from spice_select.report.page import (
    Cell,
    CommandLine,
    Fold,
    Grid,
    Heading,
    Headline,
    Page,
    PlotFigure,
    Section,
    composed,
    composed_section,
    number_cell,
    page_html,
    written_by,
)
from spice_select.report.page.pieces import PagePiece
from spice_select.run.files import REPORT
from spice_select.run.folder import RunFolder
from spice_select.run.identity import package_version
from spice_select.settings.counted import counted
from spice_select.store import write_text

_BY_BUDGET = frozenset({"budget", "train_steps", "train_epochs"})
"""What comparisons of one curve may differ by."""
_NAMED = 4


def write_comparison_page(found: MethodsCompared) -> Path:
    """Write a comparison's page into its folder, over an earlier one. Raises InputError: it cannot be written."""
    page = Page(
        title=f"{_arms(found)} under one budget: {Path(found.pool).name}",
        subtitle=f"{found.path} · {found.rows:,} rows, budget {found.budget}",
        lead=composed(_lead(found)),
        sections=_sections(found),
        footer=written_by(package_version("spice-select"), found.path),
    )
    write_text(found.path / REPORT, page_html(page))
    return found.path / REPORT


def write_budgets_page(found: Sequence[MethodsCompared], out: Path) -> Path:
    """Write a page of several comparisons: each arm's loss over the budget, and what is said at each.

    Raises:
        InputError: one was not tuned; they differ by more than the budget; the same run is in two of them, or was
            judged on other rows in another; an arm's name stands for something else in another.
    """
    for one in found:
        if one.ruling is None:
            raise InputError(f"{one.path}: nothing was tuned there, so it has no loss to draw. Compare with --train.")
    _refuse_unlike([one.path for one in found])
    _refuse_two_meanings([one.path for one in found])
    records = [record for one in found for record in read_arm_runs(one.path / RECORDS)]
    untuned = [record for record in records if record.budget is None]
    together = [record for record in records if record.budget is not None] + untuned[:1]
    terms = found[0].ruling.terms if found[0].ruling else Terms()
    ruling = judge(together, terms)
    page = Page(
        title=f"{len(found)} budgets of {Path(found[0].pool).name}",
        subtitle=" · ".join(f"{one.path} ({one.budget})" for one in found),
        lead=composed([*(Headline(_headline(one)) for one in ruling.primaries), *ruling.paragraph.split("\n\n")]),
        sections=_ruled(ruling)[::-1],
        footer=written_by(package_version("spice-select")),
    )
    write_text(out, page_html(page))
    return out


def _refuse_unlike(folders: Sequence[Path]) -> None:
    """Losses of other models, pools or trainings make no curve over the budget."""
    first, known = folders[0], RunFolder(folders[0]).identity
    for folder in folders[1:]:
        other = RunFolder(folder).identity
        unlike = [name for name in sorted(known.keys() | other.keys()) if known.get(name) != other.get(name)]
        unlike = [name for name in unlike if name not in _BY_BUDGET]
        if unlike:
            said = "; ".join(f"{name}: {known.get(name)!r} and {other.get(name)!r}" for name in unlike[:_NAMED])
            more = f"; and {len(unlike) - _NAMED} more" if len(unlike) > _NAMED else ""
            raise InputError(
                f"{first} and {folder} differ by more than their budget ({said}{more}), so their losses make no curve. "
                "Give comparisons that were asked alike, or each a page of its own."
            )


def _refuse_two_meanings(folders: Sequence[Path]) -> None:
    known = dict[str, tuple[str, Path]]()
    for folder in folders:
        for name, asks in map(meaning_of, places_on_record(folder)):
            other, where = known.setdefault(name, (asks, folder))
            if name and other != asks:
                raise InputError(
                    f"{folder}: {name!r} is {asks} there, and {other} in {where}, so its losses make no curve. Give "
                    "one of the two comparisons a page of its own, or another name to its arm."
                )


def comparison_figures(found: MethodsCompared) -> list[PlotFigure]:
    """Every figure of the page, to be written as images."""
    return [figure for section in _sections(found) for figure in section.figures]


def _arms(found: MethodsCompared) -> str:
    count = len({one.arm for one in found.facts})
    return counted(count, "method")


def _sections(found: MethodsCompared) -> list[Section]:
    sections = [*_ruled(found.ruling)] if found.ruling is not None else []
    sections.append(choices_section(found))
    if found.scores:
        sections.append(composed_section("benchmarks", "Benchmarks", [_scores(found)]))
    if found.failures:
        said = [failure.sentence for failure in found.failures]
        sections.append(composed_section("failures", "What failed", said))
    if found.notes:
        sections.append(composed_section("notes", "Notes", list(found.notes)))
    return sections


def _lead(found: MethodsCompared) -> list[Any]:
    if found.ruling is not None:
        headlines = [Headline(_headline(one)) for one in found.ruling.primaries]
        return [*headlines, *found.ruling.paragraph.split("\n\n"), *found.ruling.notes]
    if "--train" in found.asked:
        return [Headline("Nothing can be said of any arm: no draw of random was tuned and judged. See what failed.")]
    command = ["spice", "compare", found.pool, *_with_seeds_to_train(found.asked), "--train"]
    return [
        Headline("No model was tuned on these choices: nothing here says which makes a better one."),
        "To find out:",
        CommandLine(shlex.join(command)),
    ]


def _with_seeds_to_train(words: Sequence[str]) -> list[str]:
    """The words of a comparison, without seeds that are too few for models to be tuned with."""
    asked = list(words)
    if "--seeds" in asked:
        place = asked.index("--seeds")
        if len(seeds_of(asked[place + 1])) < LEAST_SEEDS_TO_TRAIN:
            del asked[place : place + 2]
    return asked


def _headline(judged: JudgedSet) -> str:
    words, control = [arm.verdict.word for arm in judged.claimed], judged.compared.terms.control
    budget = "" if judged.bed.budget is None else f" at {100 * judged.bed.budget:.3g} % of the {judged.bed.given}"
    where = f" on {judged.bed.held}{budget}"
    if better := [arm.arm for arm in judged.claimed if arm.verdict.word == "better"]:
        return f"Better than {control}{where}: {', '.join(better)}."
    if words and all(word == "cannot tell" for word in words):
        return f"This comparison cannot tell who is better{where}."
    if words and all(word == "no verdict" for word in words):
        return f"No verdict on any arm{where}: why is said below."
    return f"No arm was found better than {control}{where}."


def _ruled(ruling: Ruling) -> list[Section]:
    tables = [piece for place, table in enumerate(ruling.tables(), start=1) for piece in table_pieces(table, place)]
    sections = [composed_section("verdicts", "Better or not", [*verdict_figures(ruling), *tables])]
    sections.append(composed_section("cost-quality", "What quality cost", cost_figures(ruling)))
    if curves := budget_figures(ruling):
        sections.append(composed_section("budgets", "From budget to budget", curves))
    return sections


def table_pieces(table: ReportTable, place: int) -> list[PagePiece]:
    """A table of a comparison, without the columns that are empty in every line, and how it is read."""
    shown = [(column, [_cell(column, line) for line in table.lines]) for column in table.columns]
    kept = [(column, cells) for column, cells in shown if any(cell.shown for cell in cells)]
    kept.sort(key=lambda one: {"arm": 0, "verdict": 1}.get(one[0].key, 2))  # seen first where a table is cut
    grid = Grid(
        name=f"table-{place}",
        caption=table.title,
        columns=[
            Heading(title=column.heading, number=spot > 0 and "verdict" not in column.key)
            for spot, (column, _) in enumerate(kept)
        ],
        rows=list(zip(*(cells for _, cells in kept), strict=True)),
    )
    return [grid, *([Fold("How this table is read", table.notes)] if table.notes else [])]


def _cell(column: Column, line: Line) -> Cell:
    if column.key == "verdict" and line.get("word"):
        more = str(line["verdict"])
        return Cell(line["word"], more="" if more == line["word"] else more)
    return Cell(column.shown(line.get(column.key)))


def _scores(found: MethodsCompared) -> Grid:
    arms = dict.fromkeys(arm for scores in found.scores.values() for arm in scores)
    rows = [[Cell(arm), *(_mean(scores.get(arm)) for scores in found.scores.values())] for arm in arms]
    return Grid(
        name="scores",
        caption="Scores of benchmarks, mean over seeds",
        columns=[Heading(title="arm"), *(Heading(title=name, number=True) for name in found.scores)],
        rows=rows,
        note="No verdict is by them.",
    )


def _mean(values: Sequence[float] | None) -> Cell:
    return number_cell(fmean(values) if values else None, "{:.3f}")
