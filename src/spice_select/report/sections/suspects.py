"""Rows to look at before a model is trained on them, beside the rows that they repeat or contradict."""

import shlex
from collections import Counter
from typing import Any

from spice_select.report.material import RunMaterial, filled, untold_section
from spice_select.report.page import Cell, Grid, Heading, Section, cut
from spice_select.run.pairs import is_of_marks
from spice_select.run.suspects import SUSPECTS_FILE, read_suspects
from spice_select.settings.counted import counted

_NAME, _TITLE = "suspects", "Rows to doubt"
_EACH = 5  # of a kind
_TEXT = 600
_NO_SUSPECTS = (
    "Suspects are told by answers that are all to be learnt, so they are not looked for among answers marked good or "
    "bad. Those that contradict an earlier one are found by themselves: they stand among the dropped rows."
)


def suspects_section(material: RunMaterial) -> Section:
    """The suspects that were looked for, chosen ones first; or the command that looks for them, where it can."""
    if is_of_marks(material.run):
        return untold_section(_NAME, _TITLE, _NO_SUSPECTS)
    command = shlex.join(["spice", "suspects", str(material.run.path)])
    try:
        lines = read_suspects(material.run.path)
    except (OSError, ValueError) as error:
        why = f"{SUSPECTS_FILE} cannot be read ({type(error).__name__}: {error}). To write it again: {command}"
        return untold_section(_NAME, _TITLE, why)
    chosen = set(material.picks["row"].tolist())
    grids = [] if lines is None else [_counts(lines, chosen), *_examples(material, lines, chosen)]
    body = filled("suspects.html", looked=lines is not None, grids=grids, command=command)
    return Section(name=_NAME, title=_TITLE, body=body)


def _counts(lines: list[dict[str, Any]], chosen: set[int]) -> Grid:
    every = Counter(str(line["kind"]) for line in lines)
    picked = Counter(str(line["kind"]) for line in lines if line["row"] in chosen)
    return Grid(
        name="suspect-kinds",
        caption="Suspects by kind.",
        columns=[Heading(title="kind"), Heading(title="rows", number=True), Heading(title="chosen", number=True)],
        rows=[
            [Cell(kind), Cell(f"{count:,}", count), Cell(f"{picked[kind]:,}", picked[kind])]
            for kind, count in every.most_common()
        ],
    )


def _examples(material: RunMaterial, lines: list[dict[str, Any]], chosen: set[int]) -> list[Grid]:
    kinds: dict[str, list[dict[str, Any]]] = {}
    for line in sorted(lines, key=lambda line: (line["row"] not in chosen, -float(line["score"]), line["row"])):
        kinds.setdefault(str(line["kind"]), []).append(line)
    return [_side_by_side(material, kind, found, chosen) for kind, found in kinds.items()]


def _side_by_side(material: RunMaterial, kind: str, found: list[dict[str, Any]], chosen: set[int]) -> Grid:
    paired = any(line["partners"] for line in found[:_EACH])
    columns = [Heading(title="row", number=True), Heading(title="chosen"), Heading(title="why", wide=True)]
    columns += [Heading(title="what it says", wide=True), *([Heading(title="beside", wide=True)] if paired else [])]
    return Grid(
        name=f"suspects-{kind}",
        caption=f"{kind}: {counted(len(found), 'row')}.",
        note=f"{_EACH} are shown, chosen rows and the highest scores first." if len(found) > _EACH else "",
        columns=columns,
        rows=[_line(material, line, chosen, paired=paired) for line in found[:_EACH]],
    )


def _line(material: RunMaterial, line: dict[str, Any], chosen: set[int], *, paired: bool) -> list[Cell]:
    words = material.told_record(line["record"])
    cells = [
        Cell(str(line["row"]), int(line["row"])),
        Cell("yes" if line["row"] in chosen else "no"),
        Cell(cut(str(line["reason"]), 300)),
        Cell(cut(words.whole, _TEXT)),
    ]
    return [*cells, _partner(material, line["partners"])] if paired else cells


def _partner(material: RunMaterial, partners: list[int]) -> Cell:
    if not partners:
        return Cell("")
    told = material.told(int(partners[0]))
    return Cell(f"row {partners[0]}" if told is None else f"row {partners[0]}: {cut(told.whole, _TEXT)}")
