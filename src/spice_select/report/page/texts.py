"""Text of any length and origin as a page can hold it."""

from typing import Any

from spice_select.data.printable import printable


def cut(text: str, limit: int) -> str:
    """The first `limit` characters, and in words how many there are where some are left out."""
    return text if len(text) <= limit else f"{text[:limit]} … (cut: {len(text):,} characters in all)"


def inert(value: Any) -> Any:
    """`value` with every text in it, however deep, as `printable` has it: valid Unicode without control characters."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(str(name)): inert(one) for name, one in value.items()}
    return [inert(one) for one in value] if isinstance(value, list | tuple) else value
