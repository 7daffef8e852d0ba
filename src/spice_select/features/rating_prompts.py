"""Questions that ask a model for a rating of a row from 1 to 5, as tokens: the model's next one is the answer."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from spice_select.data.records import Example, Ids
from spice_select.errors import InputError

QUESTIONS: tuple[str, ...] = (
    "How correct are the statements in the response?",
    "How closely does the response do what the instruction asks for?",
    "How clear and well ordered is the response?",
    "How complete and useful is the response to someone who gave this instruction?",
    "How much would a model learn from this instruction and this response?",
)
RATINGS = 5
"""Ratings there are: 1 is the worst, this the best."""

_OPENING = "Below are an instruction and a response to it.\n\n"
_LABELS = {False: "Instruction:\n", True: "Response:\n"}
_NEXT = "\n\n"
_CUE = f"\n\n{{}} Rate it from 1 (very bad) to {RATINGS} (very good).\nRating:"
_BEFORE_A_RATING = (" ", "\n")
"""Between the cue and a rating: the first after which this tokenizer has one token for each is taken."""
_GAP = " ... "
_LEAST = 32
"""Tokens of a row below which nothing could be rated."""


class RatingPrompts:
    """The questions in the tokens of one tokenizer.

    A row is told as text, each prompt and each answer under a label of its own, all turns of it, without the template's
    special tokens: its own tokens, none made again. What does not fit is cut out of the middle of the longest answer,
    and out of the middle of it all where that is not enough, so that the question always stands at the end.

    Args:
        tokenizer: a fast one.

    Attributes:
        ratings: the token of each rating, 1 first.
        cues: the tokens of each question; the next token behind one is a rating.

    Raises:
        InputError: a rating is not one token after the question.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._special = [number for number, token in tokenizer.added_tokens_decoder.items() if token.special]
        bos = [token for token in tokenizer("").input_ids[:1] if token == tokenizer.bos_token_id]
        self._opening = np.concatenate([np.array(bos, np.int32), _ids(tokenizer, _OPENING)])
        self._labels = {kind: _ids(tokenizer, text) for kind, text in _LABELS.items()}
        self._next, self._gap = _ids(tokenizer, _NEXT), _ids(tokenizer, _GAP)
        self.cues, self.ratings = _cues(tokenizer)
        self._frame = len(self._opening) + max(len(cue) for cue in self.cues) + 1

    @property
    def around(self) -> int:
        """Tokens that a row gets beside its own: the opening, and all questions."""
        return len(self._opening) + sum(map(len, self.cues))

    def told(self, example: Example, window: int | None = None) -> Ids:
        """The row as every question finds it before itself.

        Args:
            example: the row.
            window: most tokens that the model reads; None for no limit.

        Raises:
            InputError: the window has no room for a row beside the question.
        """
        room = None if window is None else window - self._frame
        if room is not None and room < _LEAST:
            raise InputError(
                f"ratings by a proxy that reads {window} tokens: the question takes {self._frame} of them, and a row "
                f"needs {_LEAST} at least. Use a proxy with a longer context."
            )
        return np.concatenate([self._opening, self._turns(example, room)])

    def _turns(self, example: Example, room: int | None) -> Ids:
        """The row's turns under their labels, as far as there is room."""
        turns = [(answer, ids[~np.isin(ids, self._special)]) for answer, ids in turns_of(example)]
        labels = [self._labels[answer] for answer, _ in turns]
        labels[1:] = [np.concatenate([self._next, label]) for label in labels[1:]]
        excess = 0 if room is None else sum(map(len, labels)) + sum(len(ids) for _, ids in turns) - room
        if excess > 0:
            longest = max(range(len(turns)), key=lambda place: (turns[place][0], len(turns[place][1])))
            ids = turns[longest][1]
            turns[longest] = (True, without_middle(ids, max(0, len(ids) - excess), self._gap))
        told = np.concatenate([part for label, (_, ids) in zip(labels, turns, strict=True) for part in (label, ids)])
        return told if room is None else without_middle(told, room, self._gap)


def turns_of(example: Example) -> Iterator[tuple[bool, Ids]]:
    """The stretches of a row that are trained on (true) and that are not, up to the end of the last answer."""
    marks = example.supervised[: int(np.flatnonzero(example.supervised)[-1]) + 1]
    edges = [0, *(np.flatnonzero(np.diff(marks.astype(np.int8))) + 1).tolist(), len(marks)]
    for begin, end in pairwise(edges):
        yield bool(marks[begin]), example.input_ids[begin:end]


def without_middle(ids: Ids, room: int, gap: Ids) -> Ids:
    """The beginning and the end of what is longer than there is room for, a gap between them that counts too."""
    if len(ids) <= room:
        return ids
    kept = max(0, room - len(gap))
    end = kept // 2
    return np.concatenate([ids[: kept - end], gap[:room], ids[len(ids) - end :]])


def _ids(tokenizer: Any, text: str) -> Ids:
    return np.array(tokenizer(text, add_special_tokens=False).input_ids, np.int32)


def _cues(tokenizer: Any) -> tuple[list[Ids], list[int]]:
    """The tokens of each question, and those of the ratings after any of them."""
    for before in _BEFORE_A_RATING:
        asked = [_parted(tokenizer, _CUE.format(question) + before) for question in QUESTIONS]
        ratings = asked[0][1]
        said = [tokenizer.decode([rating]).strip() for rating in ratings]
        if said == [str(rating) for rating in range(1, RATINGS + 1)] and all(own == ratings for _, own in asked):
            return [cue for cue, _ in asked], ratings
    raise InputError(
        f"ratings by this proxy: its tokenizer has no single token for each of 1 to {RATINGS} behind 'Rating:'. Use a "
        "proxy with another tokenizer, or another method."
    )


def _parted(tokenizer: Any, text: str) -> tuple[Ids, list[int]]:
    """The tokens of a text, and the one of each rating behind it: the tokenizer decides where they part.

    No ratings where it parts them in different places.
    """
    found = [_ids(tokenizer, f"{text}{rating}") for rating in range(1, RATINGS + 1)]
    cue = found[0][:-1]
    same = all(np.array_equal(ids[:-1], cue) for ids in found)
    return cue, [int(ids[-1]) for ids in found] if same else []
