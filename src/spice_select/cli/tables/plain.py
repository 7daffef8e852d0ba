"""Text of unknown origin, fit for a table or a line with markup."""

from rich.markup import escape

from spice_select.data.printable import printable


def plain_text(text: str) -> str:
    """`text` as text alone: no part of it is markup, and none a command to the terminal."""
    return escape(printable(text))
