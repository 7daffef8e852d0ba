"""Preference pairs in every layout that is read, all saying the same; and rows that a trainer reads wrongly."""

import json
from typing import Any

from tests.data.cases import chat

CHOSEN, REJECTED = "It is green.", "It is grey."
ASKED = (("user", "What colour is grass?"),)
QUESTION = ASKED[0][1]


def both(turns: Any = ASKED) -> dict[str, Any]:
    """Both sides as whole conversations."""
    return {name: chat(*turns, ("assistant", text)) for name, text in (("chosen", CHOSEN), ("rejected", REJECTED))}


def answers(wrap: Any = lambda text: text) -> dict[str, Any]:
    """Both answers alone."""
    return {"chosen": wrap(CHOSEN), "rejected": wrap(REJECTED)}


def _turn(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


def transcript(text: str) -> str:
    return f"\n\nHuman: {QUESTION}\n\nAssistant: {text}"


FAMILIES: dict[str, dict[str, Any]] = {
    "explicit, conversational": {"prompt": chat(*ASKED), **answers(lambda text: chat(("assistant", text)))},
    "explicit, strings": {"prompt": QUESTION, **answers()},
    "implicit": both(),
    "ultrafeedback_binarized": {"prompt": QUESTION, **both(), "score_chosen": 8.0, "score_rejected": 6.0},
    "hh-rlhf": answers(transcript),
    "hh-rlhf, carriage returns": answers(lambda text: transcript(text).replace("\n", "\r\n")),
    "hh-rlhf, prompt parted": {"prompt": f"\n\nHuman: {QUESTION}\n\nAssistant:", **answers(lambda text: f" {text}")},
    "intel orca": {"question": QUESTION, **answers()},
    "alpaca": {"instruction": QUESTION, "input": "", **answers()},
    "sharegpt": {"conversations": [{"from": "human", "value": QUESTION}], **answers(_turn)},
    "argilla": {"input": QUESTION, **answers()},
    "text of a table": {name: json.dumps(turns) for name, turns in both().items()},
}
"""Each says: asked `QUESTION`, `CHOSEN` is better than `REJECTED`."""

_TWO = (("user", "q"), ("assistant", "a"), ("user", "r"))
_OTHER = (("user", "q"), ("assistant", "b"), ("user", "r"))

DROPPED: dict[str, tuple[str, dict[str, Any]]] = {
    "the same answer": ("identical-answers", {"prompt": "q", "chosen": "a", "rejected": "a"}),
    "the same conversation": ("identical-answers", {"chosen": chat(*_TWO[:2]), "rejected": chat(*_TWO[:2])}),
    "no text": ("empty-chosen", {"prompt": "q", "chosen": " ", "rejected": "a"}),
    "no turns": ("empty-rejected", {"prompt": "q", "chosen": "a", "rejected": []}),
    "a turn without text": ("empty-chosen", {"prompt": "q", "chosen": chat(("assistant", "")), "rejected": "a"}),
    "a transcript without its answer": (
        "empty-rejected",
        {"chosen": transcript("a"), "rejected": f"\n\nHuman: {QUESTION}\n\nAssistant:"},
    ),
    "a question alone": ("empty-rejected", {"chosen": chat(*_TWO[:2]), "rejected": chat(_TWO[0])}),
    "other questions": ("prompt-differs", {"chosen": chat(*_TWO[:2]), "rejected": chat(("user", "x"), *_TWO[1:2])}),
    "another column": ("prompt-differs", {"prompt": "x", **both()}),
    "one side with the prompt": ("prompt-differs", {"prompt": "q", "chosen": chat(*_TWO[:2]), "rejected": "b"}),
    "an answer before": (
        "prompt-ends-with-answer",
        {"prompt": chat(*_TWO[:2]), "chosen": chat(("assistant", "b")), "rejected": chat(("assistant", "c"))},
    ),
    "parted two turns before the end": (
        "answer-has-user-turn",
        {"chosen": chat(*_TWO, ("assistant", "c")), "rejected": chat(*_OTHER, ("assistant", "d"))},
    ),
    "one goes on": ("answer-has-user-turn", {"chosen": chat(*_TWO[:2]), "rejected": chat(*_TWO, ("assistant", "c"))}),
    "an explicit answer with a question": (
        "answer-has-user-turn",
        {"prompt": "q", "chosen": chat(("assistant", "a"), *_TWO[2:]), "rejected": chat(("assistant", "b"))},
    ),
    "two answers": (
        "several-answer-turns",
        {"prompt": "q", "chosen": chat(("assistant", "a"), ("assistant", "b")), "rejected": "c"},
    ),
    "equal scores": ("tie", {"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 4, "score_rejected": 4}),
    "no margin": ("tie", {"prompt": "q", "chosen": "a", "rejected": "b", "margin": 0.0}),
    "called a tie": ("tie", {"prompt": "q", "chosen": "a", "rejected": "b", "status": "tie"}),
    "no question": ("missing-field", {"chosen": "a", "rejected": "b"}),
}
"""Reason and row."""

TRAPS: dict[str, tuple[dict[str, Any], Any]] = {
    "strings that share words": (answers(transcript), ([QUESTION], [CHOSEN], [REJECTED])),
    "identical strings": ({"prompt": "q", "chosen": "the same", "rejected": "the same"}, "identical-answers"),
    "one a prefix of the other": (
        {"prompt": "q", "chosen": "yes", "rejected": "yes, it is"},
        (["q"], ["yes"], ["yes, it is"]),
    ),
    "an empty string": ({"prompt": "q", "chosen": "", "rejected": "no"}, "empty-chosen"),
    "transcripts that part earlier": (
        {
            "chosen": "\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant: c",
            "rejected": "\n\nHuman: q\n\nAssistant: b\n\nHuman: r\n\nAssistant: d",
        },
        "answer-has-user-turn",
    ),
    "ultrafeedback": (FAMILIES["ultrafeedback_binarized"], ([QUESTION], [CHOSEN], [REJECTED])),
    "an empty chosen list": (
        {"prompt": chat(("user", "q")), "chosen": [], "rejected": chat(("assistant", "a"))},
        "empty-chosen",
    ),
    "a prompt that ends with an answer": DROPPED["an answer before"][::-1],
}
"""What a trainer reads wrongly or falls over, and what is read of it: the texts of the three parts, or a reason."""
