"""Benchmarks' questions with their gold answers, as conversations.

How likely a tuned model finds them is a proxy of its score, and a weak one (`docs/results.md`).
"""

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.evidence.beds import Record, as_chat, sample

Said = Callable[[Record], str]


def _choice(row: Record) -> str:
    wanted = row["answerKey"]
    return next(one["text"] for one in row["question"]["choices"] if one["label"] == wanted)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")


_TASKS: Mapping[str, tuple[str, Said, Said]] = {
    "gsm8k": ("gsm8k_test", lambda row: row["question"], lambda row: re.sub("<<.*?>>", "", row["answer"])),
    "math": ("math500", lambda row: row["problem"], lambda row: row["solution"]),
    "mbpp": ("mbpp", lambda row: _unix(row["text"]), lambda row: _unix(row["code"]).strip()),
    "humaneval": ("humaneval", lambda row: row["prompt"], lambda row: row["canonical_solution"]),
    "bbh": ("bbh", lambda row: row["input"], lambda row: row["target"]),
    "arc": ("arc_challenge_test", lambda row: row["question"]["stem"], _choice),
    "hellaswag": ("hellaswag_val", lambda row: row["query"], lambda row: row["choices"][row["label"]]),
    "mmlu": ("mmlu_test_20per", lambda row: row["question"], lambda row: row["choices"][row["answer"]]),
    "truthfulqa": ("truthfulqa", lambda row: row["question"], lambda row: row["best_answer"]),
}
"""Task → its file, the question and the gold answer of a row."""


def gold_rows(folder: Path, task: str) -> list[Record]:
    """All questions of a task with their answers."""
    name, question, answer = _TASKS[task]
    return as_chat(folder / f"{name}.jsonl.gz", question, answer, task)


def gold_answers(folder: Path, rows: int, seed: int = 0) -> dict[str, list[Record]]:
    """Task → `rows` of its questions with their answers, as short as all rows of beds."""
    return {task: sample(gold_rows(folder, task), random.Random(f"{seed}-{task}"), rows) for task in _TASKS}
