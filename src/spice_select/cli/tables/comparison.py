"""A comparison of rivals as a person reads it."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from spice_select.cli.tables.plain import plain_text
from spice_select.comparison import Ruling
from spice_select.comparison.report_table import ReportTable

_WIDEST = 10_000  # of a table that no screen keeps from being as wide as it is


def print_ruling(console: Console, ruling: Ruling) -> None:
    """Print the tables with their notes, what holds of all, and the paragraph to be pasted."""
    for table in ruling.tables():
        console.print()
        _print_table(console, table)
        for note in table.notes:
            console.print(f"[dim]{plain_text(note)}[/]", highlight=False)
    for note in ruling.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}", highlight=False)
    console.print(f"\n{plain_text(ruling.paragraph)}", highlight=False, soft_wrap=True)


def _print_table(console: Console, found: ReportTable) -> None:
    """A table without the columns that are empty in every line; as sentences where it is wider than the screen."""
    shown = [(column, [column.shown(line.get(column.key)) for line in found.lines]) for column in found.columns]
    kept = [(column.heading, cells) for column, cells in shown if any(cells)]
    title, headings = plain_text(found.title), [heading for heading, _ in kept]
    lines = [[plain_text(cell) for cell in line] for line in zip(*(cells for _, cells in kept), strict=True)]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading)
    for line in lines:
        table.add_row(*line)
    if console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum <= console.width:
        console.print(table, highlight=False)
        return
    console.print(f"[italic]{title}[/]", highlight=False)
    for line in lines:
        console.print(f"[bold]{line[0]}[/]", highlight=False)
        console.print(Padding(_sentence(headings[1:], line[1:]), (0, 0, 0, 2)), highlight=False)


def _sentence(headings: Sequence[str], cells: Sequence[str]) -> str:
    """What a line says, after its first cell; a verdict stands beside what it is of."""
    return "; ".join(f"{heading} {cell}".strip() for heading, cell in zip(headings, cells, strict=True) if cell)
