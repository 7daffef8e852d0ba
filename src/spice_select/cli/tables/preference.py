"""Held-out preference pairs as a person reads them: one column a model, one line a number and kind of pair."""

from collections.abc import Callable, Sequence

from rich.table import Table

from spice_select.cli.tables.plain import plain_text
from spice_select.evaluation.preference import PreferenceScores
from spice_select.evaluation.result import ModelResult
from spice_select.numerics.estimates import Estimate

_Pick = Callable[[PreferenceScores], Estimate | None]
_LINES: tuple[tuple[str, _Pick, float, int], ...] = (
    ("prefers chosen, %", lambda one: one.free_accuracy, 100, 1),
    ("margin, nats/token", lambda one: one.free_margin, 1, 4),
    ("prefers it more, %", lambda one: one.accuracy, 100, 1),
    ("mean of beta x Delta", lambda one: one.margin, 1, 4),
    ("median of it", lambda one: one.median_margin, 1, 4),
    ("log pi(chosen), change", lambda one: one.displacement, 1, 3),
)
"""What is shown: name, number, scale, digits. The last four are relative to the first model."""


def fill_preferences(table: Table, models: Sequence[ModelResult], shown: Callable[[Estimate, int, float], str]) -> None:
    """Add the lines to a table whose first columns are the number's name, the kind of pairs and how many they are.

    Args:
        table: with these columns and one for each model.
        models: judged on pairs.
        shown: an estimate as text, by digits and scale.
    """
    kinds = dict.fromkeys(score.kind for model in models for score in model.preferences)
    for name, pick, scale, digits in _LINES:
        for place, kind in enumerate(kinds):
            scores = [next((one for one in model.preferences if one.kind == kind), None) for model in models]
            estimates = [None if one is None else pick(one) for one in scores]
            if all(one is None for one in estimates):
                continue
            count = next(one.count for one in estimates if one is not None)
            cells = ["–" if one is None else shown(one, digits, scale) for one in estimates]
            table.add_row("" if place else name, plain_text(kind), f"{count:,}", *cells)
