"""What a template leaves out of the turns it shows: asked with a stand-in for each text and each value."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from spice_select.data.encoding.frames import Skeleton, messages_of_skeleton, sentinel, sentinels_in, skeleton
from spice_select.data.encoding.template import ChatTemplate, Messages
from spice_select.data.formats.base import RowError
from spice_select.data.formats.thoughts import thought_and_said

_FIRST_VALUE = 1_000_000
_FIRST_NUMBER = 7_700_000_000


@dataclass(frozen=True, slots=True)
class Disguise:
    """A conversation as a template shows it with a stand-in of its own for every text, and for every name and value.

    Attributes:
        turns: the skeleton of the conversation.
        values: the stand-ins for the names and values of each turn's tool calls.
        text: as rendered; None where the template refuses the stand-ins: then it is not judged.
    """

    turns: Skeleton
    values: list[list[str]]
    text: str | None

    @classmethod
    def of(cls, template: ChatTemplate, messages: Messages, tools: Messages) -> "Disguise":
        """Renders the conversation once more."""
        turns, _ = skeleton(messages)
        disguised = messages_of_skeleton(turns)
        numbers = itertools.count()
        values: list[list[str]] = [[] for _ in messages]
        for turn, message in enumerate(messages):
            disguised[turn] |= {name: message[name] for name in ("name", "tool_call_id") if name in message}
            if calls := message.get("tool_calls"):
                disguised[turn]["tool_calls"] = [_call(call, numbers, values[turn]) for call in calls]
        try:
            return cls(turns, values, template.render(disguised, tools))
        except RowError:
            return cls(turns, values, None)


def parts_left_out(disguise: Disguise, untrained: frozenset[int]) -> tuple[str, ...]:
    """Remarks on parts of turns that the template does not show, and on turns it shows in another order.

    What does not come back of the stand-ins is left out.

    Args:
        disguise: the conversation with its stand-ins.
        untrained: which answers, counted from 0, are not trained on.

    Raises:
        RowError: text or values of an answer that is trained on are left out, or the whole text of another turn.
    """
    if (text := disguise.text) is None:
        return ()
    remarks, places, answers = [], [], -1
    for turn, (role, content, reasoning) in enumerate(disguise.turns):
        answers += role == "assistant"
        thought, said = thought_and_said(content)
        if not _all_in(text, sentinels_in(f"{reasoning or ''} {thought}")):
            remarks.append("reasoning-cut")
        texts = sentinels_in(said)
        if not (_all_in(text, texts) and _all_in(text, disguise.values[turn])):
            if role != "assistant" or answers not in untrained:
                raise _partly(turn, role, "the calls" if _all_in(text, texts) else "the text")
            remarks.append("part-hidden")
        places += [text.find(shown) for shown in texts if shown in text]
    return (*remarks, *(("turns-moved",) if places != sorted(places) else ()))


def stands_alone(disguise: Disguise, turn: int, end_of_turn: str) -> bool:
    """Whether the next end of turn after an answer begins comes after all of its parts, and before any other turn's.

    Some templates put a tool's result into the answer that calls it, before that answer's own text.
    """
    if (text := disguise.text) is None:
        return True
    parts = [
        [*sentinels_in(f"{reasoning or ''} {content}"), *values]
        for (_, content, reasoning), values in zip(disguise.turns, disguise.values, strict=True)
    ]
    own = [text.find(part) for part in parts[turn] if part in text]
    if not own:
        return True
    end = text.find(end_of_turn, min(own))
    others = [text.find(part) for i, of_turn in enumerate(parts) if i != turn for part in of_turn]
    return max(own) < end and not any(min(own) < place < end for place in others)


def _all_in(text: str, parts: Iterable[str]) -> bool:
    return all(part in text for part in parts)


def _partly(turn: int, role: str, what: str) -> RowError:
    return RowError("template-omits-turn", f"the chat template does not show all of {what} of turn {turn + 1} ({role})")


def _call(call: dict[str, Any], numbers: Iterator[int], shown: list[str]) -> dict[str, Any]:
    """The call with stand-ins for its name and its values; adds to `shown` what has to be seen of it."""
    function = call.get("function", call)
    disguised = _value(function.get("arguments", {}), numbers, shown)
    changed = {**function, "name": _value(function.get("name", ""), numbers, shown), "arguments": disguised}
    return {**call, "function": changed} if "function" in call else changed


def _value(value: Any, numbers: Iterator[int], shown: list[str]) -> Any:
    """A JSON value of the same shape and types; true, false, null and what is empty stay, and are not looked for."""
    if isinstance(value, dict):
        return {name: _value(item, numbers, shown) for name, item in value.items()}
    if isinstance(value, list):
        return [_value(item, numbers, shown) for item in value]
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        return value
    number = next(numbers)
    if isinstance(value, str):
        shown.append(sentinel(_FIRST_VALUE + number))
        return shown[-1]
    shown.append(str(_FIRST_NUMBER + number))
    return _FIRST_NUMBER + number + (0.5 if isinstance(value, float) else 0)
