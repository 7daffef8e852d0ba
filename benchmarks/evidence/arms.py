"""Who chooses on a bed, at equal supervised tokens."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Order = NDArray[np.int64]


def prefix(order: Sequence[int] | Order, supervised: NDArray[np.int64], budget: int) -> list[int]:
    """The longest beginning of an order that holds at most `budget` supervised tokens.

    It ends at the first row that does not fit: to go on to shorter ones would favour them.
    """
    ordered = np.asarray(order, np.int64)
    return ordered[np.cumsum(supervised[ordered]) <= budget].tolist()


def random_order(n: int, seed: int) -> Order:
    """An own draw for each seed."""
    return np.random.default_rng([seed, 11]).permutation(n)


def random_among(rows: Sequence[int], seed: int) -> Order:
    """Of some rows alone, in an order drawn by the seed: the clean ones, say, or those of the target's own source."""
    return np.random.default_rng([seed, 13]).permutation(np.asarray(rows, np.int64))


def budget_of(supervised: NDArray[np.int64], rows: float) -> int:
    """Supervised tokens of so many rows of average length."""
    return round(rows * float(supervised.mean()))


def random_like(chosen: Sequence[int], sources: Sequence[str], supervised: NDArray[np.int64], seed: int) -> list[int]:
    """Random rows of every source, of each as nearly as may be the supervised tokens that the chosen rows have of it.

    The source with the most comes last: it is cut where a budget ends.
    """
    shares = {name: sum(int(supervised[row]) for row in chosen if sources[row] == name) for name in {*sources}}
    found = list[int]()
    for name, share in sorted(shares.items(), key=lambda one: (one[1], one[0])):
        order = random_among([row for row, own in enumerate(sources) if own == name], seed)
        reached = np.concatenate([[0], np.cumsum(supervised[order])])
        found += order[: int(np.abs(reached - share).argmin())].tolist()
    return found
