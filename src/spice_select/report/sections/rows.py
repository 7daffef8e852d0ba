"""The rows themselves: the chosen and the best of the others, each with its why."""

import shlex

from spice_select.report.material import RunMaterial, filled
from spice_select.report.page import Cell, Grid, Heading, Section, cut
from spice_select.run.explanation import Explanation, RejectedRow

_WHY = 400
_REJECTED = 100
_ROUNDING = 1e-12


def rows_section(material: RunMaterial) -> Section:
    """The chosen rows and the best of the rejected, to search and to sort."""
    chosen = Grid(
        name="chosen-rows",
        caption="Chosen rows, in the order picked.",
        note=_note(material),
        columns=_columns(material),
        rows=[_row(material, int(place)) for place in material.listed],
        live=True,
    )
    rejected, told = _rejected(material)
    command = shlex.join(["spice", "explain", str(material.run.path), "ROW"])
    body = filled("rows.html", grids=[chosen, *rejected], told=told, command=command)
    return Section(name="rows", title="Rows", body=body)


def _rejected(material: RunMaterial) -> tuple[list[Grid], str]:
    """The best of the rejected rows as a table, or why nothing says which they are."""
    if isinstance(material.candidates, str):
        return [], f"Which rejected rows came next is not known: {material.candidates}"
    if not material.weighable:
        return [], "To weigh so many rejected rows takes more than the seconds that a page may cost."
    found = material.explainer.best_rejected(_REJECTED)
    if not found:
        return [], f"--method {material.summary.method} picks by no gain, or no row was left: none came next."
    grid = Grid(
        name="rejected-rows",
        caption="The best of the rejected rows, by what they would have gained as the next pick.",
        note=f"{len(found):,} of {material.summary.usable - material.chosen:,}.",
        columns=[
            Heading(title="place", number=True),
            Heading(title="row", number=True),
            Heading(title="what it says", wide=True),
            Heading(title="why", wide=True),
            Heading(title="source"),
            Heading(title="gain as the next", number=True),
            Heading(title="explained by the picks", number=True),
        ],
        rows=[_left(material, place, one) for place, one in enumerate(found, start=1)],
        live=True,
    )
    return [grid], ""


def _left(material: RunMaterial, place: int, one: RejectedRow) -> list[Cell]:
    words = material.told(one.row)
    gain, share = one.gain or 0.0, one.share or 0.0
    return [
        Cell(f"{place:,}", place),
        Cell(f"{one.row}", one.row),
        Cell("(the corpus is gone)") if words is None else words.cell,
        _why(one),
        Cell(cut(one.source, 60)),
        Cell(f"{gain:.4g}", gain),
        Cell(f"{share:.0%}", share),
    ]


def _why(one: Explanation) -> Cell:
    """The first of its reasons, the others behind a fold."""
    first, *others = (cut(sentence, _WHY) for sentence in one.sentences)
    return Cell(first.removeprefix(f"{one.verdict}: "), None, "\n".join(others))


def _note(material: RunMaterial) -> str:
    listed = len(material.listed)
    if listed == material.chosen:
        return ""
    return (
        f"{listed:,} of {material.chosen:,}: the first {listed // 2:,} picks, then others in even steps. All are in "
        "selected.jsonl."
    )


_WORTH = {"gain": "gain", "epsilon": "ε", "conflict": "conflict"}


def _told(material: RunMaterial) -> bool:
    """Whether each pick's why can be had: at once where nothing but the run's own record says it."""
    return material.weighable or isinstance(material.candidates, str) or not material.settings.target.target


def _columns(material: RunMaterial) -> list[Heading]:
    worth = [Heading(title=title, number=True) for name, title in _WORTH.items() if name in material.picks]
    return [
        Heading(title="rank", number=True),
        Heading(title="row", number=True),
        Heading(title="what it says", wide=True),
        *([Heading(title="why", wide=True)] if _told(material) else []),
        Heading(title="source"),
        *worth,
        Heading(title="trained tokens", number=True),
    ]


def _row(material: RunMaterial, place: int) -> list[Cell]:
    picks, words = material.picks, material.words[place]
    rank, row, trained = (int(picks[name][place]) for name in ("rank", "row", "supervised_tokens"))
    worth = [_tidy(float(picks[name][place])) for name in _WORTH if name in picks]
    return [
        Cell(f"{rank:,}", rank),
        Cell(f"{row}", row),
        words.cell,
        *([_why(material.explainer.of(row))] if _told(material) else []),
        Cell(cut(str(picks["source"][place]), 60)),
        *(Cell(f"{value:.4g}", value) for value in worth),
        Cell(f"{trained:,}", trained),
    ]


def _tidy(value: float) -> float:
    """Rounding of a number that is 0 is shown as 0."""
    return 0.0 if abs(value) < _ROUNDING else value
