"""A budget among the settings: text that `Budget` can read."""

from decimal import Decimal
from numbers import Real
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from spice_select.methods.budget import Budget


def _as_text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    text = str(value)
    return format(Decimal(text), "f") if "e" in text else text  # a budget has no exponent


def _readable(text: str) -> str:
    Budget.parse(text)
    return text


Amount = Annotated[str, BeforeValidator(_as_text), AfterValidator(_readable)]
"""Given as text or number, kept as text: 1 (one row) and 1.0 (all of them) stay apart, in YAML too."""
