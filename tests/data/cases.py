"""A row for each entry of the table of formats: rows in the shapes it knows, and what the first of them says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Case:
    """A format.

    Attributes:
        name: in the table.
        rows: that it reads; between them they hold every field that it knows.
        turns: role and text of each turn of the first.
    """

    name: str
    rows: tuple[dict[str, Any], ...]
    turns: tuple[tuple[str, str], ...]


def chat(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in pairs]


CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "in": {"b": [2]}}}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
QA = (("user", "q"), ("assistant", "a"))

CASES: tuple[Case, ...] = (
    Case(
        name="messages",
        rows=(
            {"messages": chat(("system", "s"), *QA, ("user", "r"), ("assistant", "b")), "source": "x"},
            {"messages": chat(*QA), "system": "s", "dataset": "x", "id": 7},
            {"messages": {"role": ["user", "assistant"], "content": ["q", "a"], "name": [None, None]}},
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "q"}], "name": "Ann"},
                    {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm"},
                    {"role": "tool", "content": "1", "tool_call_id": "1", "name": "add"},
                    {"role": "assistant", "content": "a", "weight": 1},
                ],
                "tools": [TOOL],
            },
            {"messages": [*chat(*QA), *chat(("user", "r")), {"role": "assistant", "content": "b", "train": False}]},
            {"messages": chat(("assistant", "hello"), *QA)},
        ),
        turns=(("system", "s"), *QA, ("user", "r"), ("assistant", "b")),
    ),
    Case(
        name="sharegpt",
        rows=(
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"},
            {
                "conversations": [
                    {"from": "human", "value": "q"},
                    {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'},
                    {"from": "observation", "value": "1"},
                    {"from": "gpt", "value": "a"},
                ],
                "tools": '[{"name": "add"}]',
                "id": "x",
            },
        ),
        turns=(("system", "s"), *QA),
    ),
    Case(
        name="alpaca",
        rows=(
            {"instruction": "q", "input": "i", "output": "a", "history": [["e", "f"]], "system": "s"},
            {"instruction": "q", "output": "a", "reasoning": "hm", "source": "x"},
        ),
        turns=(("system", "s"), ("user", "e"), ("assistant", "f"), ("user", "q\ni"), ("assistant", "a")),
    ),
    Case(
        name="prompt/completion",
        rows=(
            {"prompt": "q", "completion": "a", "system": "s", "split": "train"},
            {"prompt": chat(("system", "s"), ("user", "q")), "completion": chat(("assistant", "a")), "tools": [TOOL]},
        ),
        turns=(("system", "s"), *QA),
    ),
    Case(
        name="prompt/response",
        rows=({"prompt": "q", "response": "a", "thinking": "hm"}, {"prompt": "q", "response": 4.0, "model": "m"}),
        turns=QA,
    ),
    Case(
        name="question/answer",
        rows=({"question": "q", "context": "c", "answer": "a"}, {"question": 12, "answer": "a"}),
        turns=(("user", "q\nc"), ("assistant", "a")),
    ),
    Case(
        name="instruction/response",
        rows=({"instruction": "q", "context": "c", "response": "a", "category": "open"},),
        turns=(("user", "q\nc"), ("assistant", "a")),
    ),
    Case(
        name="chosen",
        rows=(
            {"prompt": "q", "chosen": "a", "rejected": "z", "score_chosen": 3.0},
            {"chosen": chat(*QA), "rejected": chat(("user", "q"), ("assistant", "z"))},
            {"instruction": "q", "input": "i", "chosen": "a", "rejected": "z", "history": [["e", "f"]]},
        ),
        turns=QA,
    ),
    Case(
        name="choices",
        rows=(
            {"question": "q", "choices": ["z", "a"], "answer": 1, "subject": "x"},
            {"question": {"stem": "q", "choices": [{"text": "a", "label": "1"}, {"text": "z"}]}, "answerKey": "1"},
            {"question": "q", "choices": {"text": ["z", "a"], "label": ["A", "B"]}, "answerKey": "B", "source": "x"},
            {"query": "q", "choices": ["z", "y", "a"], "label": 2},
            {"ctx": "q", "endings": ["a", "z"], "label": "0"},
            {"question": "q", "options": ["a", "z"], "answer": "A", "system": "s"},
        ),
        turns=QA,
    ),
    Case(name="problem/solution", rows=({"problem": "q", "solution": "a", "answer": "1"},), turns=QA),
    Case(name="prompt/canonical_solution", rows=({"prompt": "q", "canonical_solution": "a", "test": "t"},), turns=QA),
    Case(name="text/code", rows=({"text": "q", "code": "a", "task_id": 1},), turns=QA),
    Case(name="input/target", rows=({"input": "q", "target": "a", "task": "t"},), turns=QA),
    Case(name="question/best_answer", rows=({"question": "q", "best_answer": "a", "category": "c"},), turns=QA),
)

ids: Callable[[Case], str] = lambda case: case.name  # noqa: E731
