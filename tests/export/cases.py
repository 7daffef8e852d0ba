"""A row for each entry of the table of destinations: how what it wrote is read back, by the trainer's own rules."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spice_select.export import Destination, find_destination
from spice_select.testing.export import Read


@dataclass(frozen=True, kw_only=True)
class Case:
    """A destination, what it writes, and how that is read.

    Attributes:
        name: in the table.
        read: the rows, as the format ``messages`` has them.
        files: what it writes, but for data files that are named by their content.
    """

    name: str
    read: Read
    files: frozenset[str]

    def destination(self) -> Destination:
        return find_destination(self.name)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_trl(folder: Path) -> list[dict[str, Any]]:
    """``messages`` as they are; of ``prompt`` and ``completion`` the completion alone is trained on."""
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as cache:
        return [_joined(row) for row in load_dataset(str(folder), cache_dir=cache)["train"]]


def _joined(row: dict[str, Any]) -> dict[str, Any]:
    turns = row["messages"] if "messages" in row else [*_untrained(row["prompt"]), *row["completion"]]
    return {"messages": turns, "tools": row.get("tools")}


def _untrained(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [turn | ({"weight": 0} if turn["role"] == "assistant" else {}) for turn in turns]


def read_llamafactory(folder: Path) -> list[dict[str, Any]]:
    """Turns whose calls are JSON; with ``mask_history`` the last of them alone is trained on."""
    last_only = yaml.safe_load((folder / "train.yaml").read_text())["mask_history"]
    rows = lines(folder / "train.jsonl")
    return [
        {**row, "messages": [*_answers_untrained(row["messages"][:-1]), row["messages"][-1]]} if last_only else row
        for row in rows
    ]


def _answers_untrained(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [turn | ({"weight": 0} if turn["role"] in ("assistant", "function_call") else {}) for turn in turns]


def read_lines(folder: Path) -> list[dict[str, Any]]:
    return lines(folder / "train.jsonl")


CASES: tuple[Case, ...] = (
    Case(name="trl", read=read_trl, files=frozenset({"README.md", "train.py"})),
    Case(
        name="llamafactory",
        read=read_llamafactory,
        files=frozenset({"train.jsonl", "dataset_info.json", "train.yaml"}),
    ),
    Case(name="axolotl", read=read_lines, files=frozenset({"train.jsonl", "axolotl.yaml"})),
    Case(name="jsonl", read=read_lines, files=frozenset({"train.jsonl"})),
)

ids: Callable[[Case], str] = lambda case: case.name  # noqa: E731
