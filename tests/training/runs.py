"""Finished runs made by hand, in a few milliseconds: every file that an export reads, with rows of any format."""

import json
from pathlib import Path
from typing import Any

from spice_select.data.encoding import Encoder
from spice_select.data.formats import detect_format
from spice_select.data.records import Conversation, Example, Row
from spice_select.run import files as outputs
from spice_select.run.finished import Run
from spice_select.run.folder import open_run
from spice_select.run.settings import SelectSettings, write_config


def finished_run(folder: Path, rows: list[dict[str, Any]], row_format: str, **settings: Any) -> Run:
    """A run that chose all of `rows`, in their order."""
    identity = {"format": row_format, "corpus_rows": 10 * len(rows), "corpus_sha256": "c" * 64, "model": "tiny"}
    identity |= {"method": "spice", "schedule": "global", "objective": "log-det"}
    with open_run(folder, identity) as run:
        write_config(folder / outputs.CONFIG, "train.jsonl", SelectSettings.from_flat(settings))
        run.write_lines(outputs.SELECTED, (_noted(number, raw) for number, raw in enumerate(rows)))
        facts = {"identity": identity, "corpus": {"name": "train.jsonl"}, "versions": {"spice-select": "0"}}
        run.finish(facts, [outputs.SELECTED])
    return Run(folder)


def _noted(number: int, raw: dict[str, Any]) -> dict[str, Any]:
    digest = Row(number=number, raw=raw, where="").content_hash
    note: dict[str, Any] = {"rank": number + 1, "gain": 0.5, "epsilon": -0.25, "conflict": 0.0, "row": number}
    note["sha256"] = digest
    return outputs.selected_line(raw, note)


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
    "chosen": ({"prompt": "a", "chosen": "b", "rejected": "z"}, turns("a", "b")),
}
"""A row in each format, and the conversation it is."""
