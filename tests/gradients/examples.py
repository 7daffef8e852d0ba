"""Random examples for tiny models, made of integers."""

import numpy as np

from spice_select.data.records import Example
from spice_select.testing.models import VOCABULARY


def example(row: int, length: int, supervised: int, seed: int = 0) -> Example:
    rng = np.random.default_rng([seed, row, length])
    mask = np.zeros(length, dtype=bool)
    mask[rng.choice(np.arange(1, length), supervised, replace=False)] = True
    ids = rng.integers(0, VOCABULARY, length).astype(np.int32)
    return Example(row=row, input_ids=ids, supervised=mask, source="", content_hash="")


def mixed_batch(seed: int = 0) -> list[Example]:
    """Lengths 2 to 20, from one supervised token to all of them."""
    shapes = [(12, 5), (3, 1), (20, 19), (7, 2), (2, 1)]
    return [example(row, length, supervised, seed) for row, (length, supervised) in enumerate(shapes)]
