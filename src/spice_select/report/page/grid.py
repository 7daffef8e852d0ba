"""A table of a page: sorted and searched where it is long, aligned where it holds numbers."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A column: its title, whether it holds numbers, and whether it holds long text."""

    title: str
    number: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of a table.

    Attributes:
        shown: its text.
        key: the number that it is sorted by; None: by its text.
        more: text behind a fold; "" for none.
    """

    shown: str
    key: float | None = None
    more: str = ""


def number_cell(value: float | None, form: str) -> Cell:
    """A number as `form` writes it, sorted by itself; empty where there is none."""
    return Cell("") if value is None else Cell(form.format(value), float(value))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table.

    Attributes:
        name: its anchor.
        caption: what it lists.
        columns, rows: what it holds; each row has a cell a column, of which the first names the row.
        live: whether it can be searched and sorted, a page of it shown at a time.
        note: what was left out; "" where all there is is shown.
    """

    name: str
    caption: str
    columns: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]
    live: bool = False
    note: str = ""
