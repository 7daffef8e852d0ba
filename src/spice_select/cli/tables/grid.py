"""Names and what is said of each, side by side: how a verb tells its numbers."""

from rich.table import Table


def named_lines() -> Table:
    """A table of two columns without borders: a name in bold, and a text that is folded within its column."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    return table
