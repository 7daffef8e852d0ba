"""Rows of any format for finished runs that are made by hand (`finished_run`), and what the selection sees of them."""

import json
from pathlib import Path
from typing import Any

from spice_select.data.encoding import Encoder
from spice_select.data.formats import detect_format
from spice_select.data.records import Conversation, Example, Row
from spice_select.testing.export import finished_run as finished_run


def lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="surrogatepass") as handle:
        return [json.loads(line) for line in handle]


def turns(*texts: str, system: str | None = None) -> list[dict[str, Any]]:
    """Question, answer, question, ... as messages."""
    said = [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts)]
    return [{"role": "system", "content": system}, *said] if system is not None else said


def encoded(rows: list[dict[str, Any]], row_format: str, tokenizer: Any) -> list[tuple[list[int], list[bool]]]:
    """Tokens and mask of every row as the selection saw them."""
    reader, encoder = detect_format([], row_format), Encoder(tokenizer)
    conversations = [reader.read(Row(number=n, raw=raw, where="")) for n, raw in enumerate(rows)]
    examples = [encoder.encode(item) for item in conversations if isinstance(item, Conversation)]
    assert len(examples) == len(rows)
    assert all(isinstance(example, Example) for example in examples)
    return [(example.input_ids.tolist(), example.supervised.tolist()) for example in examples]


CALL = {
    "messages": [
        {"role": "user", "content": "How warm is it in Rome?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}],
        },
        {"role": "tool", "content": "21 degrees"},
        {"role": "assistant", "content": "It is 21 degrees."},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
}
OTHER_CALL = {
    "messages": [
        {"role": "user", "content": "Add 1 and 2."},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}],
        },
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "3"},
    ],
}
"""Two rows whose calls have different arguments: Arrow would give both all of them, with nulls."""

FORMATS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "messages": ({"messages": turns("a", "b", "c", "d", system="s")}, turns("a", "b", "c", "d", system="s")),
    "sharegpt": (
        {"system": "s", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        turns("a", "b", system="s"),
    ),
    "alpaca": (
        {"instruction": "a", "input": "x", "output": "b", "history": [["q", "r"]]},
        turns("q", "r", "a\nx", "b"),
    ),
    "prompt/completion": ({"prompt": "a", "completion": "b"}, turns("a", "b")),
    "prompt/response": ({"prompt": "a", "response": "b", "system": "s"}, turns("a", "b", system="s")),
    "question/answer": ({"question": "a", "answer": "b"}, turns("a", "b")),
    "instruction/response": ({"instruction": "a", "context": "x", "response": "b"}, turns("a\nx", "b")),
    "choices": ({"question": "a", "choices": ["z", "b"], "answer": 1}, turns("a", "b")),
    "problem/solution": ({"problem": "a", "solution": "b"}, turns("a", "b")),
    "prompt/canonical_solution": ({"prompt": "a", "canonical_solution": "b"}, turns("a", "b")),
    "text/code": ({"text": "a", "code": "b"}, turns("a", "b")),
    "input/target": ({"input": "a", "target": "b"}, turns("a", "b")),
    "question/best_answer": ({"question": "a", "best_answer": "b"}, turns("a", "b")),
    "chosen": ({"prompt": "a", "chosen": "b", "rejected": "z"}, turns("a", "b")),
}
"""A row in each format, and the conversation it is."""
