"""By how much a pair says that its chosen answer is the better one, from whichever columns hold that."""

import math
from collections.abc import Callable
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
    columns, margin = told_margin(fields.peek)
    told = " and ".join(f"{name} {fields[name]}" for name in columns)
    if margin == 0:
        raise RowError("tie", f"neither answer is the better one: {told}")
    return margin


def told_margin(value_of: Callable[[str], Any]) -> tuple[tuple[str, ...], float | None]:
    """The columns of a pair that tell its margin, and the margin; none and None where no columns do.

    Args:
        value_of: a column's value, None where there is none.
    """
    if (margin := _finite(value_of("margin"))) is not None:
        return ("margin",), margin
    for pair in _SCORES:
        one, other = (_finite(value_of(name)) for name in pair)
        if one is not None and other is not None:
            return pair, one - other
    return (), None


def _finite(value: Any) -> float | None:
    found = number_in(value)
    return found if found is not None and math.isfinite(found) else None
