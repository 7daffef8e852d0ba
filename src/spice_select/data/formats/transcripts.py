r"""Conversations written as one text, ``\n\nHuman: … \n\nAssistant: …``, as Anthropic's hh-rlhf has them."""

import re

from spice_select.data.formats.turns import Turn

_SPEAKER = re.compile(r"(?:\A\s*|\r?\n\r?\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def is_transcript(text: str) -> bool:
    """Whether a text begins with a person's turn and has an answer."""
    speakers = _SPEAKER.findall(text)
    return text.lstrip().startswith("Human:") and "Assistant" in speakers


def turns_of_transcript(text: str) -> list[Turn]:
    """Its turns, each without the white space around it; one that says nothing is kept, for its place says something.

    A text that quotes such a marker at the head of a paragraph is cut there as well: nothing tells the two apart.
    """
    found = list(_SPEAKER.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    return [
        Turn(role=_ROLES[match[1]], text=text[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
    ]
