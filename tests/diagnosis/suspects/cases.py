"""A row for each entry of the table of suspects: a few rows, and which of them it lists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spice_select.data.formats import FORMATS, PREFERENCE
from spice_select.data.records import Conversation, Example, Pair, PairExample, Row
from spice_select.diagnosis.suspects import Evidence

LONG = " ".join(f"word{i}" for i in range(40))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind on a few rows.

    Attributes:
        name: of the kind.
        pairs: question and answer of each row, numbered from 0.
        listed: row → its partners.
        known: further fields of the evidence.
        truncated: row → tokens that were cut off.
    """

    name: str
    pairs: Sequence[tuple[str, str]]
    listed: dict[int, tuple[int, ...]]
    known: dict[str, Any] = field(default_factory=dict)
    truncated: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PairCase:
    """A kind on a few preference pairs.

    Attributes:
        name: of the kind.
        sides: prompt, chosen and rejected answer of each pair, numbered from 0.
        listed, truncated: as those of `Case`.
    """

    name: str
    sides: Sequence[tuple[str, str, str]]
    listed: dict[int, tuple[int, ...]]
    truncated: dict[int, int] = field(default_factory=dict)


def evidence_of_pairs(
    pairs: Sequence[tuple[str, str]],
    *,
    sources: Sequence[str] = (),
    supervised: Sequence[int] = (),
    truncated: dict[int, int] | None = None,
    **known: Any,
) -> Evidence:
    """Rows of one question and one answer each."""
    conversations, examples = [], []
    for number, (question, answer) in enumerate(pairs):
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        read = FORMATS["messages"].read(Row(number=number, raw={"messages": turns}, where=f"x:{number}"))
        assert isinstance(read, Conversation)
        conversations.append(read)
        length = supervised[number] if supervised else 3
        examples.append(
            Example(
                row=number,
                input_ids=np.zeros(length + 1, np.int32),
                supervised=np.arange(length + 1) > 0,
                source=sources[number] if sources else "",
                content_hash="",
                truncated=(truncated or {}).get(number, 0),
            )
        )
    return Evidence(examples=examples, conversations=conversations, **known)


_PLAIN = [(f"question {i} about {LONG}", f"answer {i}") for i in range(20)]

CASES: tuple[Case, ...] = (
    Case(
        name="duplicate",
        pairs=[("Add 1 and 2", "3"), ("add  1 and\n2", "3"), ("Add 1 and 2", "4"), ("Add 1 and 2", "3")],
        listed={1: (0,), 3: (0,)},
    ),
    Case(
        name="near-duplicate",
        pairs=[(LONG, "yes"), ("Please, " + LONG, "yes"), ("Add 1 and 2", "3"), (LONG.upper(), "yes")],
        listed={1: (0,)},
    ),
    Case(name="cut", pairs=[("a", "b"), ("c", "d")], listed={1: ()}, truncated={1: 7}),
    Case(
        name="refusal",
        pairs=[
            ("Hi", "As an AI language model, I cannot feel."),
            ("Hi", "I'm sorry, but I can't assist with that."),
            ("Hi", "As an AI engineer, she cannot rest."),
            ("Hi", "Sorry seems to be the hardest word."),
        ],
        listed={0: (), 1: ()},
    ),
    Case(
        name="mismatched",
        pairs=_PLAIN,
        listed={7: ()},
        known={"losses": np.where(np.arange(20) == 7, 9.0, 1 + np.arange(20) / 40)},
    ),
    Case(
        name="unlearnable",
        pairs=_PLAIN,
        listed={7: ()},
        known={"learnability": np.where(np.arange(20) == 7, -2.0, 0.1 + np.arange(20) / 100)},
    ),
    Case(
        name="contradiction",
        pairs=[
            ("Is the sky blue today?", "Yes, it is."),
            ("Please, is the sky blue today", "No, it is not."),
            ("How many legs has a spider?", "8"),
            ("How many legs has a spider?", "A spider has 8 legs."),
            ("How many legs has an ant?", "6"),
            ("Continue", "with this"),
            ("Continue", "elsewhere altogether"),
        ],
        listed={0: (1,), 1: (0,)},
    ),
)


def evidence_of_preferences(
    sides: Sequence[tuple[str, str, str]], *, truncated: dict[int, int] | None = None
) -> Evidence:
    """Preference pairs of one prompt, one chosen and one rejected answer each."""
    pairs, examples = [], []
    for number, (asked, chosen, rejected) in enumerate(sides):
        raw = {"prompt": asked, "chosen": chosen, "rejected": rejected}
        read = PREFERENCE.read(Row(number=number, raw=raw, where=f"x:{number}"))
        assert isinstance(read, Pair)
        cut = (truncated or {}).get(number, 0)
        one = Example(
            row=number, input_ids=np.zeros(4, np.int32), supervised=np.arange(4) > 0, source="", content_hash=""
        )
        pairs.append(read)
        examples.append(PairExample(number, one, replace(one, truncated=cut), 0, prompt="", answers=("", "")))
    return Evidence(examples=examples, conversations=[pair.in_one for pair in pairs], pairs=pairs)


PAIR_CASES: tuple[PairCase, ...] = (
    PairCase(
        name="duplicate",
        sides=[("Add 1 and 2", "3", "4"), ("add 1 and\n2", "3", "4"), ("Add 1 and 2", "4", "3")],
        listed={1: (0,)},
    ),
    PairCase(
        name="near-duplicate",
        sides=[(LONG, "yes", "no"), ("Please, " + LONG, "yes", "no"), ("Please, " + LONG, "no", "yes")],
        listed={1: (0,)},
    ),
    PairCase(name="cut", sides=[("a", "b", "c"), ("c", "d", "e")], listed={1: ()}, truncated={1: 7}),
    PairCase(
        name="refusal",
        sides=[
            ("Hi", "As an AI language model, I cannot feel.", "Hello!"),
            ("Hi", "Hello!", "As an AI language model, I cannot feel."),
        ],
        listed={0: ()},
    ),
    PairCase(
        name="alike-answers",
        sides=[("Add 1 and 2", "Three.", "three."), ("Go", LONG, LONG + " on"), ("Add 1 and 2", "3", "4")],
        listed={0: (), 1: ()},
    ),
    PairCase(
        name="contradiction",
        sides=[
            ("Add 1 and 2", "3", "4"),
            ("Add 1 and 2", "3", "5"),
            (LONG, "yes", "no"),
            ("add 1 and 2", "4", "3"),
            ("Please, " + LONG, "no", "yes"),
            ("Add 1 and 2", "3", "4"),
        ],
        listed={0: (3,), 2: (4,), 3: (0, 5), 4: (2,), 5: (3,)},
    ),
)

ids: Callable[[Case | PairCase], str] = lambda case: case.name  # noqa: E731
