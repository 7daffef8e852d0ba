"""From a pair to an example of two sequences: one prompt, and the tokens in which the answers differ."""

from collections.abc import Sequence

import numpy as np

from spice_select.data.encoding.encoder import Encoder
from spice_select.data.records import Drop, Example, Pair, PairExample

_SIDES = ("chosen", "rejected")


def encode_pairs(pairs: Sequence[Pair], encoder: Encoder) -> list[PairExample | Drop]:
    """Encode pairs in order: each answer after the prompt, supervised on that answer alone, cut at its end alone."""
    sides = encoder.encode_many([conversation for pair in pairs for conversation in pair.conversations])
    return [_joined(pair, *sides[2 * place : 2 * place + 2]) for place, pair in enumerate(pairs)]


def _joined(pair: Pair, chosen: Example | Drop, rejected: Example | Drop) -> PairExample | Drop:
    row = pair.row.number
    for name, side in zip(_SIDES, (chosen, rejected), strict=True):
        if isinstance(side, Drop):
            reason = "too-long" if side.reason == "nothing-left-after-truncation" else side.reason
            return Drop(row, reason, f"{name}: {side.detail}")
    assert isinstance(chosen, Example)
    assert isinstance(rejected, Example)
    begin, other = _begin(chosen), _begin(rejected)
    if begin != other or not np.array_equal(chosen.input_ids[:begin], rejected.input_ids[:begin]):
        detail = f"the prompt is {begin} tokens before the chosen answer, and {other} others before the rejected one"
        return Drop(row, "prompt-differs", detail)
    alike = _alike(chosen, rejected)
    if alike == chosen.num_tokens == rejected.num_tokens:
        if chosen.truncated or rejected.truncated:
            detail = f"the answers differ only after the {alike} tokens that are kept"
            return Drop(row, "no-difference-left", detail)
        return Drop(row, "identical-answers", "chosen and rejected are the same tokens")
    shared = int(chosen.supervised[:alike].sum())
    return PairExample(row, chosen, rejected, shared, prompt=pair.prompt_hash, answers=pair.answer_hashes)


def _begin(example: Example) -> int:
    """Tokens before the answer."""
    return int(np.flatnonzero(example.supervised)[0])


def _alike(chosen: Example, rejected: Example) -> int:
    """How many tokens both sides begin with, trained on or not on both."""
    length = min(chosen.num_tokens, rejected.num_tokens)
    differs = chosen.input_ids[:length] != rejected.input_ids[:length]
    differs |= chosen.supervised[:length] != rejected.supervised[:length]
    return int(differs.argmax()) if differs.any() else length
