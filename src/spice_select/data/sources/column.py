"""Rows that say themselves which split they belong to, in a column called `split`."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spice_select.data.sources.kinds import Placed
from spice_select.data.sources.splits import EVERY_SPLIT, kind_of, left_out, some
from spice_select.errors import InputError
from spice_select.settings.counted import counted

COLUMN = "split"


class SplitColumn:
    """Whether any row has the column, found as rows are read.

    Attributes:
        seen: so far.
    """

    def __init__(self) -> None:
        self.seen = False

    def watched(self, located: Iterable[Placed]) -> Iterator[Placed]:
        """The same rows."""
        for raw, place in located:
            self.seen = self.seen or COLUMN in raw
            yield raw, place


def take_rows(
    raws: Iterable[Mapping[str, Any]], split: str | None, default: str, name: str
) -> tuple[list[int], tuple[str, ...]]:
    """Positions of the rows of one split, and what was left out, in words; all of them where rows name no splits.

    Rows name splits if the column holds nothing but splits' names (`train`, `dev`, …), and there is something to keep
    apart: two or more of them, or another one than `default` beside rows that name none. A column of this name that
    means something else tells nothing.

    Args:
        raws: the rows as they came.
        split: the one asked for, or None for `default`.
        default: ``train`` or ``test``.
        name: of the corpus, for messages.

    Raises:
        InputError: `split` was asked for and rows name none or others; several are named, and `default` is not there.
    """
    values = [_named(raw.get(COLUMN)) for raw in raws]
    counts = Counter(values)
    unnamed = counts.pop("", 0)
    apart = len(counts) > 1 or (unnamed > 0 and any(kind_of(value) != default for value in counts))
    tells = apart and all(kind_of(value) for value in counts)
    if split is None and not tells:
        return list(range(len(values))), _mixed(counts, default) if apart else ()
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
        beside = f" ({counted(unnamed, 'row')} of none)" if unnamed else ""
        raise InputError(
            f"{name}: its rows are of the splits {there}, and none of them is {wanted}{beside}. Choose one with "
            f"--split, or read all with --split {EVERY_SPLIT}."
        )
    others = {value: counted(count, "row") for value, count in counts.items() if value not in taken}
    others |= {"rows of no split": counted(unnamed, "row")} if unnamed else {}
    kept = [position for position, value in enumerate(values) if value in taken]
    return kept, left_out(f"{', '.join(sorted(taken))} of the column {COLUMN!r}", others)


def _mixed(counts: Mapping[str, int], default: str) -> tuple[str, ...]:
    """The note where the column names splits to be kept apart, but other things too, so that every row is read."""
    kept_apart = [value for value in counts if kind_of(value) not in (None, default)]
    others = [value for value in counts if kind_of(value) is None]
    if not kept_apart:
        return ()
    return (
        f"The column {COLUMN!r} names {some(kept_apart, 'split')}; but it holds {some(others, 'other value')}, too, so "
        "every row is read. One is chosen with --split.",
    )


def _named(value: Any) -> str:
    """A value of the column, "" for one that says nothing: null, NaN, an empty cell."""
    return "" if value is None or value != value else sys.intern(str(value).strip())  # few names, many rows
