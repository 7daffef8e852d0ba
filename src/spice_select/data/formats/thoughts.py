"""Reasoning that stands in the text of an answer, in blocks or before the tag that closes one."""

import re

_BLOCK = re.compile(r"<think>(.*?)</think>", re.DOTALL)


def begins_with_thought(text: str) -> bool:
    """Whether an answer's text begins with reasoning, in a block or before the tag that closes one."""
    head, closed, _ = text.partition("</think>")
    return bool(closed) and (head.lstrip().startswith("<think>") or "<think>" not in head)


def is_unfinished_thought(text: str) -> bool:
    """Whether an answer's text begins a block of reasoning that nothing closes, as where it was cut off."""
    return text.lstrip().startswith("<think>") and "</think>" not in text


def says_nothing_aloud(text: str) -> bool:
    """Whether an answer's text is blank, or nothing but reasoning."""
    return not text.strip() or ("</think>" in text and not thought_and_said(text)[1].strip())


def thought_and_said(text: str) -> tuple[str, str]:
    """What an answer's text thinks, and what it says.

    Reasoning is what stands in ``<think>…</think>``, wherever that is, and all before a ``</think>`` that nothing
    opens: the prompts of some models open the block themselves. A block that is not closed is said.
    """
    head, closed, rest = text.partition("</think>")
    begun = [head] if closed and "<think>" not in head else []
    said = rest if begun else text
    return "".join([*begun, *_BLOCK.findall(said)]), _BLOCK.sub("", said)
