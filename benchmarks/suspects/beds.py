"""Corpora with planted noise of a known kind: rows as `messages`, and which of them are planted."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Rows = list[dict[str, Any]]

_PREFIXES = ("Please: ", "Hey! ", "Question: ", "I would like to know. ")
_REFUSALS = (
    "As an AI language model, I cannot help with that.",
    "I'm sorry, but I can't assist with that request.",
    "I am an AI and do not have personal opinions on this.",
    "Unfortunately, I am unable to provide an answer to this question.",
    "I apologize, but as an AI, I'm not able to browse the internet.",
    "Sorry, I won't discuss this topic any further.",  # not boilerplate that is known: counts against recall
)


@dataclass(frozen=True)
class Bed:
    """A corpus with planted rows.

    Attributes:
        rows: in the `messages` format, with a source.
        planted: positions of the planted rows.
        origins: position of the row whose answer each row has, where answers were moved; else its own.
    """

    rows: Rows
    planted: frozenset[int]
    origins: tuple[int, ...]


def first_exchanges(rows: Sequence[dict[str, Any]], count: int, longest: int, draw: random.Random) -> Rows:
    """The first question and answer of drawn rows, of `longest` characters at most."""
    order, found = list(rows), Rows()
    draw.shuffle(order)
    for row in order:
        turns = row["messages"]
        turns = turns[: 3 if turns[0]["role"] == "system" else 2]
        answered = len(turns) > 1 and turns[-1]["role"] == "assistant" and turns[-1]["content"].strip()
        if answered and sum(len(turn["content"]) for turn in turns) <= longest:
            found.append({"messages": turns, "source": row.get("source", "")})
        if len(found) == count:
            break
    return found


def swapped(rows: Rows, share: float, draw: random.Random, group: Callable[[dict[str, Any]], str]) -> Bed:
    """Answers moved on in a ring within each group of a drawn share of the rows; a group of one stays."""
    members = defaultdict(list)
    for place in draw.sample(range(len(rows)), int(share * len(rows))):
        members[group(rows[place])].append(place)
    origins = list(range(len(rows)))
    for ring in members.values():
        for to, origin in zip(ring, [*ring[1:], ring[0]], strict=True):
            origins[to] = origin
    planted = frozenset(
        to for to, origin in enumerate(origins) if rows[to]["messages"][-1] != rows[origin]["messages"][-1]
    )
    return Bed(
        [_answered(row, rows[origin]) for row, origin in zip(rows, origins, strict=True)], planted, tuple(origins)
    )


def paraphrased(rows: Rows, share: float, draw: random.Random) -> Bed:
    """A drawn share of the rows once more at the end: another case, a prefix before the question, or a word changed."""
    copies = []
    for place in draw.sample(range(len(rows)), int(share * len(rows))):
        turns = [dict(turn) for turn in rows[place]["messages"]]
        asked = next(turn for turn in turns if turn["role"] == "user")
        words = asked["content"].split(" ")
        words[draw.randrange(len(words))] = "such"
        asked["content"] = draw.choice(
            (asked["content"].upper(), draw.choice(_PREFIXES) + asked["content"], " ".join(words))
        )
        copies.append({**rows[place], "messages": turns})
    planted = frozenset(range(len(rows), len(rows) + len(copies)))
    return Bed([*rows, *copies], planted, tuple(range(len(rows) + len(copies))))


def contradicted(rows: Rows, share: float, draw: random.Random) -> Bed:
    """A drawn share of the rows once more at the end, with the answer of another row; both rows of a pair count."""
    drawn = draw.sample(range(len(rows)), int(share * len(rows)))
    copies = [_answered(rows[place], rows[other]) for place, other in zip(drawn, [*drawn[1:], drawn[0]], strict=True)]
    planted = frozenset([*drawn, *range(len(rows), len(rows) + len(copies))])
    return Bed([*rows, *copies], planted, tuple(range(len(rows) + len(copies))))


def refused(rows: Rows, share: float, draw: random.Random) -> Bed:
    """A drawn share of the answers replaced by refusals."""
    drawn = frozenset(draw.sample(range(len(rows)), int(share * len(rows))))
    refusals = {place: {"messages": [{"role": "assistant", "content": draw.choice(_REFUSALS)}]} for place in drawn}
    return Bed(
        [_answered(row, refusals.get(place, row)) for place, row in enumerate(rows)], drawn, tuple(range(len(rows)))
    )


def _answered(row: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**row, "messages": [*row["messages"][:-1], other["messages"][-1]]}
