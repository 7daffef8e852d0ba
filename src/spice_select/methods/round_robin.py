"""Each row of a target in turn takes the best row that is left: every one of them is served, not their mean alone."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

_STRIDE = 64
"""Candidates looked at together while those that are taken are passed over."""


def round_robin(
    similarities: NDArray[np.floating], groups: Mapping[str, NDArray[np.int64]], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """An order of all candidates: tasks take turns, in a task its rows take turns, each its most similar one left.

    Args:
        similarities: ``[n, m]``, of each candidate to each row of the target.
        groups: task → positions of its rows in the target, as `TargetSet.groups` has them.
        rows: int64 ``[n]``, the candidates' row numbers: of equally similar ones the lowest is taken.

    Returns:
        int64 ``[n]``, positions in the order taken; float64 ``[n]``, for each position, not each turn, its similarity
        to the row of the target that took it. A smaller budget is the beginning of a larger one.

    Cost: O(n·m log n), and 4·n·m bytes.
    """
    n, queries = similarities.shape
    by_row = np.argsort(rows)
    lists = [_best_first(similarities[:, query], by_row) for query in range(queries)]
    reached, used = np.zeros(queries, np.int64), np.zeros(n, bool)
    order, known = np.empty(n, np.int64), np.empty(n, np.float64)
    for place, query in zip(range(n), _turns(list(groups.values())), strict=False):
        reached[query] = _first_free(lists[query], int(reached[query]), used)
        pick = lists[query][reached[query]]
        used[pick] = True
        order[place], known[pick] = pick, similarities[pick, query]
    return order, known


def _best_first(column: NDArray[np.floating], by_row: NDArray[np.int64]) -> NDArray[np.int32]:
    """Positions by falling similarity, equal ones by row number."""
    found: NDArray[np.int32] = by_row[np.argsort(-column[by_row], kind="stable")].astype(np.int32)
    return found


def _turns(tasks: Sequence[NDArray[np.int64]]) -> Iterator[int]:
    """Whose turn it is, without end."""
    rows = [cycle(task.tolist()) for task in tasks]
    for task in cycle(rows):
        yield next(task)


def _first_free(order: NDArray[np.int32], start: int, used: NDArray[np.bool_]) -> int:
    """The first place from `start` on whose candidate is not taken; there is one."""
    while True:
        free = ~used[order[start : start + _STRIDE]]
        if free.any():
            return start + int(free.argmax())
        start += _STRIDE
