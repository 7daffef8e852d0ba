"""An example as text again, in runs that are trained on and runs that are not."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spice_select.data.records import Example


class Decoder(Protocol):
    """The one method needed of a tokenizer."""

    def decode(self, token_ids: list[int], **options: bool) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A run of text.

    Attributes:
        text: the text, special tokens written out.
        supervised: whether the model is trained on it.
    """

    text: str
    supervised: bool


def segments(example: Example, tokenizer: Decoder) -> list[Segment]:
    """Cut an example into runs, alternately supervised or not, whose texts join to the decoded example.

    A run that begins or ends within a character (byte-level tokens may hold parts of one) leaves that character to
    the later run, so no text is garbled. Cost: one decoding for each run.
    """
    ids = example.input_ids.tolist()
    whole = _decode(tokenizer, ids)
    borders = [0, *(np.flatnonzero(np.diff(example.supervised)) + 1).tolist(), len(ids)]
    found: list[Segment] = []
    begin = 0
    for first, last in itertools.pairwise(borders):
        end = len(whole) if last == len(ids) else _shared(_decode(tokenizer, ids[:last]), whole)
        if end > begin:
            found.append(Segment(text=whole[begin:end], supervised=bool(example.supervised[first])))
        begin = max(begin, end)
    return found


def _decode(tokenizer: Decoder, ids: Sequence[int]) -> str:
    return tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)


def _shared(head: str, whole: str) -> int:
    """How many characters of `head` are also those of `whole`: a half character at its end is not."""
    length = min(len(head), len(whole))
    while head[:length] != whole[:length]:
        length -= 1
    return length
