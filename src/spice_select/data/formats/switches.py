"""Yes and no in the spellings that tables, trainers and people have for them."""

from decimal import Decimal
from typing import Any

_WORDS = {"true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False, "no": False}


def yes_or_no(value: Any) -> bool | None:
    """True or false, 1 or 0, as themselves or as text; None for what is neither."""
    if isinstance(value, str):
        return _WORDS.get(value.strip().lower())
    return bool(value) if isinstance(value, bool | int | float | Decimal) and value in (0, 1) else None


def true_or_false(value: Any) -> bool | None:
    """As `yes_or_no`, of the words true and false alone: a number may be the place of a class."""
    said = isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false"))
    return yes_or_no(value) if said else None
