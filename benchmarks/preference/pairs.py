"""The pairs of the measurement: short prompts, answers cut at one length, split by prompt."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spice_select.data.corpus import read_corpus
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_reader
from spice_select.data.records import Example, PairExample
from spice_select.data.settings import DataSettings
from spice_select.models.load import load_tokenizer


@dataclass(frozen=True)
class Split:
    """Pairs to choose from, and pairs of other prompts to judge by."""

    pool: list[PairExample]
    held: list[PairExample]


def read_pairs(path: Path, *, longest_prompt: int, longest: int) -> list[PairExample]:
    """The pairs of a file whose prompt has at most so many tokens, each side cut at `longest` as a trainer cuts it."""
    rows = read_corpus(str(path), DataSettings()).rows
    encoded = encode_rows(rows, detect_reader(rows, None), Encoder(load_tokenizer(None), max_length=longest))
    pairs = [one for one in encoded.examples if isinstance(one, PairExample)]
    return [told_apart(pair) for pair in pairs if prompt_tokens(pair.chosen) <= longest_prompt]


def prompt_tokens(example: Example) -> int:
    """Tokens before the answer."""
    return int(np.flatnonzero(example.supervised)[0])


def told_apart(pair: PairExample) -> PairExample:
    """The pair with another hash for each side: what is kept of a row is kept by its hash, and both sides have one."""
    sides = {name: replace(side, content_hash=f"{side.content_hash}-{name}") for name, side in named_sides(pair)}
    return replace(pair, **sides)


def named_sides(pair: PairExample) -> list[tuple[str, Example]]:
    """Both sides by their names in the pair."""
    return [("chosen", pair.chosen), ("rejected", pair.rejected)]


def split(pairs: Sequence[PairExample], *, held: int, seed: int = 0) -> Split:
    """All pairs of drawn prompts, `held` pairs or a few more, are held out."""
    prompts = sorted({pair.prompt for pair in pairs})
    random.Random(seed).shuffle(prompts)
    out: list[PairExample] = []
    for prompt in prompts:
        if len(out) >= held:
            break
        out += [pair for pair in pairs if pair.prompt == prompt]
    drawn = {pair.prompt for pair in out}
    return Split([pair for pair in pairs if pair.prompt not in drawn], out)


def beginning(example: Example, tokens: int) -> Example:
    """The prompt and the first so many tokens of the answer."""
    until = prompt_tokens(example) + tokens
    return replace(
        example,
        input_ids=example.input_ids[:until],
        supervised=example.supervised[:until],
        content_hash=f"{example.content_hash}-{tokens}",
    )
