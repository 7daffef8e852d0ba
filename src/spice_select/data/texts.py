"""What a conversation says, as text: for whoever compares rows by their words, not by what a proxy makes of them."""

from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.transcripts import is_transcript, turns_of_transcript
from spice_select.data.formats.turn_lists import list_in
from spice_select.data.plain import json_text
from spice_select.data.records import Conversation, Pair


def turn_texts(conversation: Conversation) -> list[tuple[str, str]]:
    """Role and words of each turn; the calls of a turn that calls tools belong to its words."""
    return [(message["role"], _words(message)) for message in conversation.messages]


def whole_text(conversation: Conversation) -> str:
    """The words of all turns but the system's, a line between two. A system prompt that all rows share says nothing."""
    return "\n".join(words for role, words in turn_texts(conversation) if role != "system")


def last_answer(conversation: Conversation) -> str:
    """The words of the assistant's last turn; "" if there is none."""
    return next((words for role, words in reversed(turn_texts(conversation)) if role == "assistant"), "")


def before_last_answer(conversation: Conversation) -> list[tuple[str, str]]:
    """Role and words of every turn before the assistant's last, the system's among them."""
    turns = turn_texts(conversation)
    last = max((place for place, (role, _) in enumerate(turns) if role == "assistant"), default=len(turns))
    return turns[:last]


def answer_texts(pair: Pair) -> tuple[str, str]:
    """The words of the chosen answer and of the rejected one, each with what its tools said in between."""
    chosen, rejected = ("\n".join(map(_words, answer)) for answer in (pair.chosen, pair.rejected))
    return chosen, rejected


def prompt_text(pair: Pair) -> str:
    """The words of the turns that both answers follow, the system's among them."""
    return "\n".join(map(_words, pair.prompt))


def told_turns(read: Conversation | Pair) -> list[tuple[str, str]]:
    """Who says what; of a pair the prompt, then both answers by their names."""
    if isinstance(read, Conversation):
        return turn_texts(read)
    begin, sides = len(read.prompt), {}
    for name, conversation in zip(("chosen", "rejected"), read.conversations, strict=True):
        sides[name] = turn_texts(conversation)
    answers = [(f"{name} {role}", words) for name, turns in sides.items() for role, words in turns[begin:]]
    return [*sides["chosen"][:begin], *answers]


def first_words(record: Mapping[str, Any]) -> str:
    """The first words a person wrote in a row as it came, whatever the format, on one line."""
    columns = ("messages", "conversations", "conversation", "prompt", "chosen")
    spoken = next(filter(None, (_turns_in(record.get(column)) for column in columns)), [])
    spoken.sort(key=lambda turn: (turn.get("role") or turn.get("from")) == "system")  # many rows have the same
    texts = [turn.get("content") or turn.get("value") for turn in spoken]
    asked = [record.get(key) for key in ("instruction", "prompt", "question") if not _turns_in(record.get(key))]
    others = [record.get(key) for key in ("input", "chosen")]
    text = next((text for text in [*asked, *texts, *others] if isinstance(text, str) and text.strip()), None)
    if text is not None and is_transcript(text):
        text = turns_of_transcript(text)[0].text
    return " ".join((text if text is not None else json_text(record))[:400].split())


def _turns_in(value: Any) -> list[dict[str, Any]]:
    """The turns that a column holds, also as text or in columns; none if it holds anything else."""
    found = list_in(value) or []
    return found if all(isinstance(turn, dict) for turn in found) else []


def _words(message: dict) -> str:
    words = message.get("content") or ""
    calls = message.get("tool_calls")
    return f"{words}\n{json_text(calls, sort_keys=True)}" if calls else words
