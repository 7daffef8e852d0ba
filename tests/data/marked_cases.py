"""Marked answers in every layout that is read, all saying the same; and rows that are left out."""

import json
from typing import Any

from tests.data.cases import chat

QUESTION, ANSWER = "What colour is grass?", "It is green."
_SAID = chat(("user", QUESTION), ("assistant", ANSWER))

LAYOUTS: dict[str, dict[str, Any]] = {
    "TRL, strings": {"prompt": QUESTION, "completion": ANSWER, "label": True},
    "TRL, turns": {"prompt": _SAID[:1], "completion": _SAID[1:], "label": True},
    "LLaMA-Factory, messages": {"messages": _SAID, "kto_tag": True},
    "LLaMA-Factory, sharegpt": {
        "conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": ANSWER}],
        "kto_tag": True,
    },
    "LLaMA-Factory, alpaca": {"instruction": QUESTION, "input": "", "output": ANSWER, "kto_tag": True},
    "axolotl, argilla": {"instruction": QUESTION, "completion": ANSWER, "label": True},
    "axolotl, intel": {"question": QUESTION, "completion": ANSWER, "label": True},
    "a transcript": {"prompt": f"\n\nHuman: {QUESTION}\n\nAssistant:", "completion": f" {ANSWER}", "label": True},
    "text of a table": {"messages": json.dumps(_SAID), "kto_tag": True},
}
"""Each says: asked `QUESTION`, `ANSWER` is a good answer."""

DROPPED: dict[str, tuple[str, dict[str, Any]]] = {
    "an answer in another column": ("missing-field", {"prompt": "q", "response": "a", "label": True}),
    "no mark": ("no-mark", {"prompt": "q", "completion": "a", "label": None}),
    "a word for a mark": ("no-mark", {"prompt": "q", "completion": "a", "label": "good"}),
    "no prompt": ("missing-field", {"completion": "a", "label": True}),
    "no answer": ("missing-field", {"messages": chat(("user", "q")), "kto_tag": True}),
    "a thought and no answer": ("empty-turn", {"prompt": "q", "completion": "<think>t</think>", "label": True}),
    "an empty answer": ("empty-turn", {"prompt": "q", "completion": "", "label": True}),
    "an answer before": (
        "prompt-ends-with-answer",
        {"prompt": chat(("user", "q"), ("assistant", "a")), "completion": chat(("assistant", "b")), "label": True},
    ),
    "a question inside": (
        "answer-has-user-turn",
        {"prompt": "q", "completion": chat(("assistant", "a"), ("user", "r"), ("assistant", "b")), "label": True},
    ),
    "two answers": (
        "several-answer-turns",
        {"prompt": "q", "completion": chat(("assistant", "a"), ("assistant", "b")), "label": False},
    ),
    "out of the loss": (
        "unsupported-weight",
        {
            "messages": [*chat(("user", "q"), ("assistant", "a"), ("user", "r")), {**_SAID[1], "weight": 0}],
            "kto_tag": True,
        },
    ),
}
"""Reason and row."""
