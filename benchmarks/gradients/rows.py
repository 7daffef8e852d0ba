"""The rows that are measured: real ones from a corpus file, or generated ones of like lengths."""

from dataclasses import replace

import numpy as np

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.records import Example
from spice_select.data.sources import read_rows


def real_rows(corpus: str, tokenizer: object, count: int, max_tokens: int, seed: int = 0) -> list[Example]:
    """`count` rows drawn at random, cut to `max_tokens`, each with a supervised token left."""
    rows = read_rows(corpus)
    chosen = np.random.default_rng(seed).permutation(len(rows))[: 8 * count]  # some lose their answer when cut
    drawn = [rows[i] for i in chosen]
    encoded = encode_rows(drawn, detect_format(drawn), Encoder(tokenizer, max_length=max_tokens))
    return list(encoded.examples)[:count]


def generated_rows(vocabulary: int, count: int, max_tokens: int, seed: int = 0) -> list[Example]:
    """Random tokens; lengths log-normal about 120 with a third of each row as the prompt."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(4.8, 0.6, count), 16, max_tokens).astype(int)
    blank = Example(row=0, input_ids=np.zeros(2, np.int32), supervised=np.ones(2, bool), source="", content_hash="")
    return [
        replace(
            blank,
            row=row,
            input_ids=rng.integers(0, vocabulary, length).astype(np.int32),
            supervised=np.arange(length) >= max(1, length // 3),
        )
        for row, length in enumerate(lengths)
    ]
