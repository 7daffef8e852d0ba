"""By how much a pair says that its chosen answer is the better one, from whichever columns hold that."""

import math
from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, number_in
from spice_select.data.formats.fields import Fields

_SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_rating", "rejected_rating"),
    ("chosen-rating", "rejected-rating"),
    ("rating_chosen", "rating_rejected"),
    ("chosen_reward", "rejected_reward"),
)


def margin_of(fields: Fields) -> float | None:
    """The ``margin`` column, or else the difference of two scores; None where the row has neither.

    Raises:
        RowError: ``tie``: the margin is 0, or the row says so (``status: tie``).
    """
    if isinstance(status := fields.peek("status"), str) and status.strip().lower() == "tie":
        raise RowError("tie", "the row says that neither answer is the better one (status: tie)")
    if (margin := _number(fields, "margin")) is not None:
        return _decided(margin, f"margin {margin:g}")
    for chosen, rejected in _SCORES:
        one, other = _number(fields, chosen), _number(fields, rejected)
        if one is not None and other is not None:
            return _decided(one - other, f"{chosen} and {rejected} are both {one:g}")
    return None


def told_of_margin(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of a pair from which its margin was read; `margin_of` has said that it has one."""
    if _finite(raw.get("margin")) is not None:
        return ("margin",)
    return next((pair for pair in _SCORES if all(_finite(raw.get(name)) is not None for name in pair)), ())


def _decided(margin: float, what: str) -> float:
    if margin == 0:
        raise RowError("tie", f"neither answer is the better one: {what}")
    return margin


def _number(fields: Fields, name: str) -> float | None:
    found = _finite(fields.peek(name))
    if found is not None:
        fields[name]
    return found


def _finite(value: Any) -> float | None:
    found = number_in(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return float(found)
