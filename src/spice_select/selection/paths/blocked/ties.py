"""More rows that may tie than a block holds: one pick among all of them, then the blocks go on.

Rows of one length all tie at the first pick. Growing the block to hold them would need their square in memory.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix
from spice_select.selection.paths.blocked.block import Block
from spice_select.selection.paths.blocked.state import BlockedState
from spice_select.selection.paths.ledger import best_of
from spice_select.selection.penalties.conflict import hinge_of_products

_CHUNK = 1024  # rows evaluated at once
NEAR = 1e-9  # generous beside the tolerance of a tie: a row too many costs an evaluation, one too few the pick


def tied_rows(state: BlockedState) -> NDArray[np.int64]:
    """The open rows that may tie with the best: those whose bounds come near the best row known exactly."""
    keys = state.open_keys(horizon=0.0)
    best = float(keys[state.bounds.exact == state.bounds.now].max())
    largest_gain = math.log1p(state.alpha * float(state.bounds.r.max()))
    return np.flatnonzero(keys >= best - NEAR * (largest_gain + state.problem.weight))


def settle_tie(state: BlockedState, rows: NDArray[np.int64]) -> None:
    """Make one pick among `rows`, each evaluated in float64. O(|rows|·d·min(t, d)), t the picks so far."""
    problem, ledger = state.problem, state.ledger
    r, dots = evaluate(problem.features.rows, state.root.whiten, state.total, rows)
    state.evaluations += len(rows)
    lengths, size = np.sqrt(problem.features.squares[rows]), math.sqrt(state.total @ state.total)
    picks = len(ledger.rows)
    penalties = np.zeros(len(rows))
    if state.eta is not None and picks:
        penalties = hinge_of_products(dots, lengths, size, picks, state.eta)
    gains = np.log1p(state.alpha * r)
    at = best_of(problem, rows, gains, penalties)
    if ledger.refuses(float(gains[at]), float(penalties[at])):
        return
    cosines = np.divide(dots, lengths * size, out=np.zeros(len(rows)), where=lengths * size > 0)
    state.bounds.settle(rows, r * (1 + 1e-12), state.root.noise, cosines)
    row = rows[at : at + 1]
    Block(state, state.pool_of(row, None), -np.inf).take_all(row)


def evaluate(
    fetch: Callable[[NDArray[np.int64]], Matrix],
    whiten: Callable[[Matrix], Matrix],
    total: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """‖xL‖² of each row, and its product with the sum of the picks; some rows at a time."""
    r, dots = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        X = fetch(rows[part])
        Y = whiten(X)
        r[part], dots[part] = np.einsum("ij,ij->i", Y, Y), X @ total
    return r, dots
