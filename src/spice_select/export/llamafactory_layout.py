"""LLaMA-Factory's `sharegpt` layout: names, tags, and turns as it takes them."""

import re
from collections.abc import Sequence
from typing import Any

from spice_select.data.formats.base import RowError
from spice_select.data.plain import json_text
from spice_select.data.records import Drop
from spice_select.export.folder import LINES
from spice_select.export.picks import Pick
from spice_select.export.records import Record, arguments_of, functions_of
from spice_select.settings.counted import counted

LLAMAFACTORY_INFO = "dataset_info.json"
LLAMAFACTORY_CONFIG = "train.yaml"

# Once "columns" or "tags" is there, a key that is left out becomes None rather than its default: without a
# system_tag, rows that begin with a system turn would be skipped as abnormal.
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}


def dataset_name(run: str) -> str:
    """The name under which LLaMA-Factory knows the data."""
    return "spice_" + re.sub(r"\W+", "_", run).strip("_")


def dataset_info(*, has_tools: bool, answers: Sequence[str] = (), tag: str | None = None) -> dict[str, Any]:
    """The entry of `dataset_info.json`, with every key that LLaMA-Factory would otherwise make None.

    Args:
        has_tools: whether rows have tools.
        answers: the columns of the two answers of preference pairs; without `ranking` they are not read.
        tag: the column of the mark, where answers are marked good or bad.
    """
    names = ("messages", *answers, *([tag] if tag else []), *(["tools"] if has_tools else []))
    return {
        "file_name": LINES,
        "formatting": "sharegpt",
        "ranking": bool(answers),
        "split": "train",
        "columns": {name: name for name in names},
        "tags": TAGS,
    }


def factory_turn(message: Record, number: int) -> Record:
    """A turn as LLaMA-Factory has it; a `RowError` where it cannot say what the turn says."""
    if message.get("reasoning_content"):
        raise RowError("reasoning", f"turn {number} has reasoning_content, for which LLaMA-Factory has no field")
    if message["role"] == TAGS["system_tag"] and not message["content"]:
        raise RowError(
            "empty-system", f"turn {number} is an empty system turn, for which LLaMA-Factory shows the template's own"
        )
    if not (calls := functions_of(message)):
        return {"role": message["role"], "content": message["content"]}
    if message["content"].strip():
        raise RowError("text-beside-call", f"turn {number} has a text beside its tool call; LLaMA-Factory takes one")
    functions = [{"name": call["name"], "arguments": arguments_of(call, number)} for call in calls]
    return {"role": TAGS["function_tag"], "content": json_text(functions)}


def refuse_order(turns: list[Record]) -> None:
    """What LLaMA-Factory's converter would skip with a warning is refused here, with the turn at fault."""
    rest = turns[1:] if turns[0]["role"] == "system" else turns
    asks, answers = ("user", TAGS["observation_tag"]), ("assistant", TAGS["function_tag"])
    for place, turn in enumerate(rest):
        if turn["role"] not in (answers if place % 2 else asks):
            number = place + 1 + len(turns) - len(rest)
            expected = "an answer" if place % 2 else "a question or a tool result"
            detail = f"turn {number} is {turn['role']!r} where LLaMA-Factory needs {expected}"
            raise RowError("turns-do-not-alternate", detail)
    if len(rest) % 2:
        raise RowError("no-answer-at-the-end", "the last turn is no answer; LLaMA-Factory takes pairs of turns")


def cutoff(max_length: int) -> str:
    """The length in a configuration, with what it means there: LLaMA-Factory shares it out among prompt and answer."""
    return f"cutoff_len: {max_length}  # as in the selection, which kept the prompts of longer rows whole"


def cut_note(rows: str, max_length: int) -> str:
    """What becomes of rows that are longer, in a sentence."""
    return f"Of {rows} longer than {max_length} tokens it cuts the prompt too; the selection cut them at the end alone."


def form_notes(picks: Sequence[Pick]) -> tuple[str, ...]:
    """What LLaMA-Factory shows otherwise than the model's template, or not at all, in sentences with counts."""
    said = [(pick.reading, pick.turns) for pick in picks if not isinstance(pick.reading, Drop)]
    calls = sum(bool(one.tools) or any("tool_calls" in turn for turn in turns) for one, turns in said)
    names = sum(any({"name", "tool_call_id"} & turn.keys() for turn in turns) for _, turns in said)
    notes = []
    if calls:
        notes.append(
            "LLaMA-Factory shows tools and calls in a form of its own, not the chat template's: "
            f"{counted(calls, 'row is', 'rows are')} "
            "trained on other tokens than the selection saw."
        )
    if names:
        notes.append(f"LLaMA-Factory reads no name or tool_call_id of a turn: left out of {counted(names, 'row')}.")
    return tuple(notes)
