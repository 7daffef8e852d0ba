"""The rows themselves: the chosen and the best of the others, each with its why."""

from spice_select.report.material import RunMaterial, filled
from spice_select.report.page import Cell, Grid, Heading, Section, cut

_WHOLE = 900  # characters of a row's text
_ROUNDING = 1e-12


def rows_section(material: RunMaterial) -> Section:
    """A table of the chosen rows, to search and to sort."""
    grid = Grid(
        name="chosen-rows",
        caption="Chosen rows, in the order picked.",
        note=_note(material),
        columns=_columns(material),
        rows=[_row(material, int(place)) for place in material.listed],
        live=True,
    )
    return Section(name="rows", title="Rows", body=filled("rows.html", grids=[grid]))


def _note(material: RunMaterial) -> str:
    listed = len(material.listed)
    if listed == material.chosen:
        return ""
    return (
        f"{listed:,} of {material.chosen:,}: the first {listed // 2:,} picks, then others in even steps. All are in "
        "selected.jsonl."
    )


_WORTH = ("gain", "epsilon", "conflict")


def _columns(material: RunMaterial) -> list[Heading]:
    worth = [Heading(title=name, number=True) for name in _WORTH if name in material.picks]
    return [
        Heading(title="rank", number=True),
        Heading(title="row", number=True),
        Heading(title="what it says", wide=True),
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
        Cell(words.first or "(no words)", None, cut(words.whole, _WHOLE)),
        Cell(cut(str(picks["source"][place]), 60)),
        *(Cell(f"{value:.4g}", value) for value in worth),
        Cell(f"{trained:,}", trained),
    ]


def _tidy(value: float) -> float:
    """Rounding of a number that is 0 is shown as 0."""
    return 0.0 if abs(value) < _ROUNDING else value
