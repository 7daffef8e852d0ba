"""Whole numbers that were typed."""

_MOST_DIGITS = 18
"""Of an int64; Python refuses to read some thousands."""


def whole_number(text: str) -> int | None:
    """The number from 0 that a text of the digits 0 to 9 names; None for any other text, `²` among them."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None
