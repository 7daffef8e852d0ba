"""The slow, obvious mask: what the supervised tokens have to spell, by what is known of a template."""

import json
from collections.abc import Sequence
from typing import Any

from spice_select.data.records import Conversation, Row
from tests.data.templates import Kind


def conversation(messages: Sequence[dict[str, Any]], **more: Any) -> Conversation:
    raw = {"messages": list(messages)}
    return Conversation(row=Row(number=0, raw=raw, where="test:1"), messages=tuple(messages), source="", **more)


def expected_answers(kind: Kind, messages: Sequence[dict[str, Any]]) -> list[str]:
    """What the supervised tokens of each answer have to spell."""
    last = len(messages) - 1
    answers = []
    for turn, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        text = message["content"].strip() if kind.strips else message["content"]
        lead = kind.lead
        if kind.name == "qwen3-thinking" and turn == last:
            lead, text = "<think>\n\n</think>\n\n", text.lstrip("\n")
        answers.append(lead + text + kind.gap + kind.end_of_turn)
    return answers


def supervised_text(tokenizer: Any, example: Any) -> list[str]:
    """The supervised tokens of an example, decoded run by run."""
    runs: list[list[int]] = []
    previous = False
    for token, on in zip(example.input_ids.tolist(), example.supervised.tolist(), strict=True):
        if on and not previous:
            runs.append([])
        if on:
            runs[-1].append(token)
        previous = on
    return [tokenizer.decode(run, clean_up_tokenization_spaces=False) for run in runs]


def expected_of_tool_template(answers: Sequence[Any]) -> list[str]:
    """What the supervised tokens under `tool_template` have to spell: one text for each answer that is learnt."""
    return [
        (f"<think>\n{answer.reasoning}\n</think>\n" if answer.reasoning else "")
        + answer.text
        + "".join(f"<call>{name} {json.dumps(given, ensure_ascii=False)}</call>" for name, given in answer.calls)
        + "<|im_end|>"
        for answer in answers
        if answer.trained
    ]
