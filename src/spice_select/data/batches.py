"""Batches of like length under a token budget."""

from collections.abc import Sequence

import numpy as np

from spice_select.errors import InputError


def default_token_budget(device: str) -> int:
    """Tokens in a batch, padding included, where none are asked for: what fills a device (``cpu``, ``cuda``)."""
    return 2048 if device == "cpu" else 16384


def plan_batches(lengths: Sequence[int], *, token_budget: int) -> list[list[int]]:
    """Put rows into batches so that little is padded and no batch is too large.

    Rows are sorted by length (rows of one length in their own order) and cut greedily from the longest: the largest
    batch, the one that needs most memory, comes first, so that what cannot fit fails at once. Deterministic.

    Args:
        lengths: tokens of each row, all at least 1.
        token_budget: most tokens of a batch, padding included. A longer row gets a batch of its own.

    Returns:
        Lists of positions in `lengths`; together each position exactly once. Cost: O(n log n).

    Raises:
        InputError: the budget is below 1, or a length is.
    """
    if token_budget < 1:
        raise InputError(f"token_budget={token_budget}: a batch needs at least 1 token. Give a positive number.")
    sizes = np.asarray(lengths, dtype=np.int64)
    if sizes.size and sizes.min() < 1:
        raise InputError(f"lengths[{int(sizes.argmin())}]={int(sizes.min())}: every row needs at least 1 token.")
    order = np.argsort(-sizes, kind="stable")
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        count = max(1, token_budget // int(sizes[order[start]]))
        batches.append(order[start : start + count].tolist())
        start += count
    return batches
