"""Several names among the settings: as a list, or in one text with commas between them."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator


def _apart(value: Any) -> Any:
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, tuple | list):
        return value
    return tuple(name.strip() for text in given for name in str(text).split(",") if name.strip())


Names = Annotated[tuple[str, ...], BeforeValidator(_apart)]
"""Kept as a tuple, without blanks."""


def in_words(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; "" for none."""
    *most, last = [*names] or [""]
    return f"{', '.join(most)} and {last}" if most else last
