"""The loss mask: from the characters that the assistant wrote to the tokens that are trained on, and to their labels.

Which characters those are, `spice_select.data.encoding.spans` finds out. This is the only home of the rest: the
`supervised` of an example, and the labels with -100 that trainers take.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from spice_select.data.encoding.frames import Stretch
from spice_select.data.encoding.spans import Located
from spice_select.data.records import Example

IGNORED = -100
"""Label of a token that is not trained on."""


def mask_of(located: Located, offsets: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which tokens are of an answer, given their character offsets in ``located.text``. bool ``[tokens]``."""
    return within(located.text, located.spans, offsets)


def within(text: str, spans: Sequence[Stretch], offsets: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which tokens begin within one of the spans of the text, or in the spaces before it. bool ``[tokens]``."""
    mask = np.zeros(len(offsets), dtype=np.bool_)
    if not offsets:
        return mask
    flat = np.fromiter(chain.from_iterable(offsets), dtype=np.int64, count=2 * len(offsets))  # 3x np.array's speed
    begins, ends = flat[::2], flat[1::2]
    for begin, end in spans:
        first = begin
        while first > 0 and text[first - 1] == " ":
            first -= 1
        mask |= (begins >= first) & (begins < end) & (ends > begin)
    return mask


def narrowed(own: NDArray[np.bool_], marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Our mask where a template's ``{% generation %}`` marks agree; all of it if they miss the end of an answer.

    Marks often take in the line end after the end of turn, or a header; at times they leave the end of turn out, or
    earlier answers. The first does not matter here, and the second is not followed. bool ``[tokens]``, all three.
    """
    last_of_each_answer = own & ~np.append(own[1:], False)
    return own & marks if marks[last_of_each_answer].all() else own


def labels_of(example: Example) -> NDArray[np.int32]:
    """The tokens where they are supervised, `IGNORED` elsewhere, int32 ``[tokens]``; the model shifts them by one."""
    return np.where(example.supervised, example.input_ids, np.int32(IGNORED))
