"""Several names among the settings: as a list, or in one text with commas between them."""

from typing import Annotated, Any

from pydantic import BeforeValidator


def _apart(value: Any) -> Any:
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, tuple | list):
        return value
    return tuple(name.strip() for text in given for name in str(text).split(",") if name.strip())


Names = Annotated[tuple[str, ...], BeforeValidator(_apart)]
"""Kept as a tuple, without blanks."""
