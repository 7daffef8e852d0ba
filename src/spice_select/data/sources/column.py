"""Rows that say themselves which split they belong to, in a column called `split`."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from spice_select.data.sources.splits import EVERY_SPLIT, kind_of, left_out
from spice_select.errors import InputError
from spice_select.settings.counted import counted

COLUMN = "split"


def take_rows(
    raws: Iterable[Mapping[str, Any]], split: str | None, default: str, name: str
) -> tuple[list[int], tuple[str, ...]]:
    """Positions of the rows of one split, and what was left out, in words; all of them where rows name no splits.

    Rows name splits if every one has the column, its values are splits' names (`train`, `dev`, …), and there are two
    or more of them: a column of this name that means something else tells nothing.

    Args:
        raws: the rows as they came.
        split: the one asked for, or None for `default`.
        default: ``train`` or ``test``.
        name: of the corpus, for messages.

    Raises:
        InputError: `split` was asked for and rows name none or others; several are named, and `default` is not there.
    """
    values = [sys.intern(str(raw.get(COLUMN))) for raw in raws]  # few names, many rows
    counts = Counter(values)
    tells = len(counts) > 1 and all(kind_of(value) for value in counts)
    if split is None and not tells:
        return list(range(len(values))), ()
    wanted = split or default
    taken = {value for value in counts if value == wanted} or {
        value for value in counts if kind_of(value) is not None and kind_of(value) == kind_of(wanted)
    }
    if not taken and not tells:
        raise InputError(
            f"split={split!r}: {name} has no splits to choose from, by names or by a column {COLUMN!r}. Leave it out."
        )
    if not taken:
        there = ", ".join(f"{value} ({counted(count, 'row')})" for value, count in counts.items())
        raise InputError(
            f"{name}: its rows are of the splits {there}, and none of them is {wanted}. Choose one with --split, or "
            f"read all with --split {EVERY_SPLIT}."
        )
    others = {value: counted(count, "row") for value, count in counts.items() if value not in taken}
    kept = [position for position, value in enumerate(values) if value in taken]
    return kept, left_out(f"{', '.join(sorted(taken))} of the column {COLUMN!r}", others)
