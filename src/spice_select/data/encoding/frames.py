"""Conversations with every text replaced by a sentinel, and the literal frame a chat template puts around them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spice_select.data.encoding.template import Messages
from spice_select.data.formats.base import RowError
from spice_select.data.formats.thoughts import thought_and_said

Stretch = tuple[int, int]
"""Begin (inclusive) and end (exclusive) of supervised characters."""

Skeleton = tuple[tuple[str, str, str | None], ...]
"""Role, content and reasoning (None: no such field) of each turn, with sentinels for texts: the key of a frame."""

_TAG = re.compile(r"(</?think>)")
_SENTINEL = re.compile(r"Zq(\d+)xSentinelqZ")


def sentinel(core: int) -> str:
    """The stand-in for core number `core`: ASCII letters and digits, so no template escapes or splits it."""
    return f"Zq{core}xSentinelqZ"


def sentinels_in(text: str) -> list[str]:
    """The stand-ins in a text, in order."""
    return [match[0] for match in _SENTINEL.finditer(text)]


def skeleton(messages: Messages) -> tuple[Skeleton, tuple[str, ...]]:
    """The conversation with sentinels for its cores, and the cores.

    A core is a text without the white space around it; that stays in the skeleton, because templates strip it or
    do not. So do the tags of blocks of reasoning in an answer, for templates cut the text at them, and what stands
    before, between and after them is a core each.
    """
    cores: list[str] = []

    def cut(text: str) -> str:
        core = text.strip()
        if not core:
            return text
        cores.append(core)
        begin = text.find(core)
        return text[:begin] + sentinel(len(cores) - 1) + text[begin + len(core) :]

    turns = []
    for message in messages:
        reasoning = message.get("reasoning_content")
        reasoning = cut(reasoning) if reasoning is not None else None
        content = message["content"]
        stretches = _TAG.split(content) if message["role"] == "assistant" else [content]  # every other one is a tag
        if not any(part.strip() for part in stretches[::2]):
            stretches = [content]  # tags alone are what it says
        stretches[::2] = map(cut, stretches[::2])
        turns.append((message["role"], "".join(stretches), reasoning))
    return tuple(turns), tuple(cores)


def messages_of_skeleton(turns: Skeleton) -> list[dict[str, Any]]:
    """The messages of a skeleton."""
    return [
        {"role": role, "content": content} | ({} if reasoning is None else {"reasoning_content": reasoning})
        for role, content, reasoning in turns
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPlace:
    """Where a core stands in a rendered skeleton."""

    core: int
    turn: int
    begin: int
    end: int


def places(text: str, turns: Skeleton) -> tuple[TextPlace, ...]:
    """All sentinels in a rendered skeleton, in the order of the text.

    Raises:
        RowError: the template shows a turn's text not at all or more than once. (Reasoning may be left out.)
    """
    owner = {core: turn for turn, fields in enumerate(turns) for core in _cores_of(fields)}
    found = tuple(
        TextPlace(core=int(m[1]), turn=owner[int(m[1])], begin=m.start(), end=m.end()) for m in _SENTINEL.finditer(text)
    )
    shown = [place.core for place in found]
    for turn, (role, content, _) in enumerate(turns):
        said = [*_cores_of((role, thought_and_said(content)[1], None))] or [*_cores_of((role, content, None))]
        if missing := [core for core in said if core not in shown]:
            part = "" if len(missing) == len(said) else "all of the text of "
            raise RowError("template-omits-turn", f"the chat template does not show {part}turn {turn + 1} ({role})")
    if len(shown) != len(set(shown)):
        raise RowError("template-repeats-turn", "the chat template shows a turn twice")
    return found


def remarks_on(found: Sequence[TextPlace], turns: Skeleton) -> tuple[str, ...]:
    """What was done to a conversation whose every turn is shown: reasoning left out, turns in another order."""
    shown = {place.core for place in found}
    cut = sum(any(core not in shown for core in _cores_of(fields)) for fields in turns)
    order = [place.turn for place in found]
    return ("reasoning-cut",) * cut + (("turns-moved",) if order != sorted(order) else ())


def _cores_of(fields: tuple[str, str, str | None]) -> Iterator[int]:
    for field in fields[1:]:
        for match in _SENTINEL.finditer(field or ""):
            yield int(match[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """The literal text around the cores: ``pieces[0] core pieces[1] core … pieces[-1]``.

    Attributes:
        pieces: the literal texts.
        cores: which core stands in each gap between the pieces.
        marks: begin and end of each answer, each as (piece, offset in the piece).
        remarks: what the template does to such a conversation, as names known to `spice_select.data.encoding.notes`.
    """

    pieces: tuple[str, ...]
    cores: tuple[int, ...]
    marks: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    remarks: tuple[str, ...] = ()

    def fill(self, texts: Sequence[str]) -> tuple[str, tuple[Stretch, ...]]:
        """The whole text, and the supervised spans in it, for the texts of the cores."""
        parts = [self.pieces[0]]
        begins = [0]
        position = len(self.pieces[0])
        for core, piece in zip(self.cores, self.pieces[1:], strict=True):
            parts += (texts[core], piece)
            position += len(texts[core])
            begins.append(position)
            position += len(piece)
        spans = tuple((begins[a] + da, begins[b] + db) for (a, da), (b, db) in self.marks)
        return "".join(parts), spans
