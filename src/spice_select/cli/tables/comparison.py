"""A comparison of rivals as a person reads it."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spice_select.comparison import Ruling
from spice_select.comparison.report_table import ReportTable
from spice_select.data.printable import printable


def print_ruling(console: Console, ruling: Ruling) -> None:
    """Print the tables with their notes, what holds of all, and the paragraph to be pasted."""
    for table in ruling.tables():
        console.print()
        console.print(_table(table), highlight=False)
        for note in table.notes:
            console.print(f"[dim]{escape(printable(note))}[/]", highlight=False)
    for note in ruling.notes:
        console.print(f"[yellow]note[/] {escape(printable(note))}", highlight=False)
    console.print(f"\n{escape(printable(ruling.paragraph))}", highlight=False, soft_wrap=True)


def _table(found: ReportTable) -> Table:
    """Without the columns that are empty in every line."""
    shown = [(column, [column.shown(line.get(column.key)) for line in found.lines]) for column in found.columns]
    kept = [(column, cells) for column, cells in shown if any(cells)]
    table = Table(title=escape(printable(found.title)), title_justify="left", box=None, pad_edge=False)
    for column, _ in kept:
        table.add_column(column.heading, overflow="fold")
    for line in zip(*(cells for _, cells in kept), strict=True):
        table.add_row(*(escape(printable(cell)) for cell in line))
    return table
