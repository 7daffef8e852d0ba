"""Rows that were left out before the selection, by reason, with examples."""

from typing import Any

from spice_select.report.material import RunMaterial, filled, untold_section
from spice_select.report.page import Cell, Grid, Heading, Section, cut
from spice_select.run.files import DROPPED, iterate_dropped
from spice_select.run.folder import RunFolder
from spice_select.run.reasons import REASONS
from spice_select.settings.counted import counted

_NAME, _TITLE = "dropped", "Dropped rows"
_EACH = 3
_TEXT = 300


def dropped_section(material: RunMaterial) -> Section:
    """How many rows each reason took, and the first of each."""
    RunFolder(material.run.path).output(DROPPED)
    counts = material.summary.dropped
    if not counts:
        return untold_section(_NAME, _TITLE, "No row was dropped: all could be used.")
    examples = _examples(material)
    of = f"of {material.summary.rows:,} rows"
    grid = Grid(
        name="dropped-rows",
        caption=f"{counted(sum(counts.values()), f'{of} was', f'{of} were')} dropped; the first {_EACH} of each "
        "reason.",
        note="All are in dropped.jsonl.",
        columns=[
            Heading(title="reason"),
            Heading(title="rows", number=True),
            Heading(title="where"),
            Heading(title="what was wrong", wide=True),
            Heading(title="what it says", wide=True),
        ],
        rows=[_line(reason, counts[reason], line) for reason in counts for line in examples.get(reason, [])],
    )
    return Section(
        name=_NAME, title=_TITLE, body=filled("dropped.html", one=grid, reasons=[_meaning(reason) for reason in counts])
    )


def _examples(material: RunMaterial) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    missing = {reason: min(_EACH, count) for reason, count in material.summary.dropped.items()}
    for line in iterate_dropped(material.run.path):
        reason = str(line["reason"])
        if len(found.setdefault(reason, [])) < _EACH:
            words = material.told_record(line["record"])
            found[reason].append({**line, "text": words.first or cut(words.whole, _TEXT)})
        if all(len(found.get(one, ())) >= least for one, least in missing.items()):
            break
    return found


def _line(reason: str, count: int, line: dict[str, Any]) -> list[Cell]:
    return [
        Cell(reason),
        Cell(f"{count:,}", count),
        Cell(cut(str(line["where"]), 80)),
        Cell(cut(str(line["detail"]), _TEXT)),
        Cell(str(line["text"])),
    ]


def _meaning(reason: str) -> str:
    """What a reason means and what to do; its name alone where this version does not know it."""
    known = REASONS.get(reason)
    return f"{reason}: {known.meaning}. What to do: {known.remedy}." if known else f"{reason}."
