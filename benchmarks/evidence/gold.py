"""Benchmarks' questions with their gold answers, as conversations.

How likely a tuned model finds them is a proxy of its score, and a weak one (`docs/results.md`).
"""

import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.evidence.beds import LONGEST, Record, as_chat

Said = Callable[[Record], str]


def _choice(row: Record) -> str:
    wanted = row["answerKey"]
    return next(one["text"] for one in row["question"]["choices"] if one["label"] == wanted)


_TASKS: Mapping[str, tuple[str, Said, Said]] = {
    "gsm8k": ("gsm8k_test", lambda row: row["question"], lambda row: re.sub("<<.*?>>", "", row["answer"])),
    "math": ("math500", lambda row: row["problem"], lambda row: row["solution"]),
    "mbpp": ("mbpp", lambda row: row["text"], lambda row: row["code"].replace("\r\n", "\n").strip()),
    "humaneval": ("humaneval", lambda row: row["prompt"], lambda row: row["canonical_solution"]),
    "bbh": ("bbh", lambda row: row["input"], lambda row: row["target"]),
    "arc": ("arc_challenge_test", lambda row: row["question"]["stem"], _choice),
    "hellaswag": ("hellaswag_val", lambda row: row["query"], lambda row: row["choices"][row["label"]]),
    "mmlu": ("mmlu_test_20per", lambda row: row["question"], lambda row: row["choices"][row["answer"]]),
    "truthfulqa": ("truthfulqa", lambda row: row["question"], lambda row: row["best_answer"]),
}
"""Task → its file, the question and the gold answer of a row."""


def gold_answers(folder: Path, rows: int, seed: int = 0) -> dict[str, list[Record]]:
    """Task → `rows` of its questions with their answers, as short as all rows of beds."""
    found = {}
    for task, (name, question, answer) in _TASKS.items():
        chats = as_chat(folder / f"{name}.jsonl.gz", question, answer, task)
        fit = [row for row in chats if sum(len(turn["content"]) for turn in row["messages"]) <= LONGEST]
        fit = [row for row in fit if row["messages"][-1]["content"].strip()]
        found[task] = random.Random(f"{seed}-{task}").sample(fit, rows)
    return found
