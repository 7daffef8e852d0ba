"""A section put together from words, figures, tables and commands, in the order a person reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from spice_select.report.page.document import Section
from spice_select.report.page.figure import PlotFigure
from spice_select.report.page.grid import Grid
from spice_select.report.page.templating import Templates


@dataclass(frozen=True)
class CommandLine:
    """A command to copy."""

    text: str


@dataclass(frozen=True)
class Headline:
    """The one sentence that a person takes away."""

    text: str


@dataclass(frozen=True)
class Fold:
    """Sentences behind a title, for those who ask."""

    title: str
    sentences: Sequence[str]


PagePiece = str | PlotFigure | Grid | CommandLine | Headline | Fold


def composed(pieces: Sequence[PagePiece]) -> Markup:
    """The pieces one below the other; a string is a paragraph."""
    return Templates().fill("pieces.html", pieces=[(_kind(one), _content(one)) for one in pieces])


def composed_section(name: str, title: str, pieces: Sequence[PagePiece]) -> Section:
    """A section of nothing but such pieces."""
    figures = [one for one in pieces if isinstance(one, PlotFigure)]
    return Section(name=name, title=title, body=composed(pieces), figures=figures)


def _kind(piece: PagePiece) -> str:
    names = {PlotFigure: "figure", Grid: "grid", CommandLine: "command", Headline: "headline", Fold: "fold"}
    return next((name for known, name in names.items() if isinstance(piece, known)), "words")


def _content(piece: PagePiece) -> str | PlotFigure | Grid | Fold:
    return piece.text if isinstance(piece, CommandLine | Headline) else piece
