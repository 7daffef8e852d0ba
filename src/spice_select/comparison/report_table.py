"""A table with its notes: Markdown for people, JSON for programs."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Line = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A heading, and how a line's value at `key` is shown."""

    heading: str
    key: str
    shown: Callable[[Any], str]


@dataclass(frozen=True)
class ReportTable:
    """One Markdown table with its notes; its lines are the JSON."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        rows = [[column.heading for column in self.columns], ["---"] * len(self.columns)]
        rows += [[column.shown(line.get(column.key)) for column in self.columns] for line in self.lines]
        parts = [f"**{self.title}**", "\n".join("| " + " | ".join(row) + " |" for row in rows)]
        return "\n\n".join([*parts, "\n".join(f"- {note}" for note in self.notes)]).rstrip() + "\n"


def tables_markdown(tables: Sequence[ReportTable]) -> str:
    """All of `tables`, one after the other."""
    return "\n".join(table.markdown() for table in tables)


def tables_json(tables: Sequence[ReportTable]) -> str:
    """All of `tables` as one JSON document; what is not a finite number is null."""
    raw = [{"title": table.title, "lines": table.lines, "notes": table.notes} for table in tables]
    return json.dumps(finite_only(raw), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def finite_only(raw: Any) -> Any:
    """`raw`, for JSON: what is not a finite number is null."""
    if isinstance(raw, dict):
        return {key: finite_only(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [finite_only(value) for value in raw]
    return None if isinstance(raw, float) and not math.isfinite(raw) else raw
