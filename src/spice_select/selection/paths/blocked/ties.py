"""More rows that may tie than a block holds: one pick among all of them, then the blocks go on.

Rows of one length all tie at the first pick. Growing the block to hold them would need their square in memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.paths.blocked.block import Block
from spice_select.selection.paths.ledger import best_of
from spice_select.selection.penalties.conflict import hinge_of_products

if TYPE_CHECKING:
    from spice_select.selection.paths.blocked.rounds import BlockedRun

CHUNK = 1024  # rows evaluated at once
NEAR = 1e-9  # generous beside the tolerance of a tie: a row too many costs an evaluation, one too few the pick


def tied_rows(run: BlockedRun) -> NDArray[np.int64]:
    """The open rows that may tie with the best: those whose bounds come near the best row known exactly."""
    keys = run.open_keys(horizon=0.0)
    best = float(keys[run.bounds.exact == run.bounds.now].max())
    largest_gain = math.log1p(run.alpha * float(run.bounds.r.max()))
    return np.flatnonzero(keys >= best - NEAR * (largest_gain + run.problem.weight))


def settle_tie(run: BlockedRun, rows: NDArray[np.int64]) -> None:
    """Make one pick among `rows`, each evaluated in float64. O(|rows|·d·min(t, d)), t the picks so far."""
    problem, ledger = run.problem, run.ledger
    r, dots = _evaluate(run, rows)
    lengths, size, picks = np.sqrt(problem.features.squares[rows]), math.sqrt(run.total @ run.total), len(ledger.rows)
    penalties = np.zeros(len(rows))
    if run.eta is not None and picks:
        penalties = hinge_of_products(dots, lengths, size, picks, run.eta)
    gains = np.log1p(run.alpha * r)
    at = best_of(problem, rows, gains, penalties)
    if ledger.refuses(float(gains[at]), float(penalties[at])):
        return
    cosines = np.divide(dots, lengths * size, out=np.zeros(len(rows)), where=lengths * size > 0)
    run.bounds.settle(rows, r * (1 + 1e-12), run.root.noise, cosines)
    row = rows[at : at + 1]
    Block(run, run.pool_of(row, None), -np.inf).take_all(row)


def _evaluate(run: BlockedRun, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """‖xL‖² of each row, and its product with the sum of the picks."""
    r, dots = np.empty(len(rows)), np.empty(len(rows))
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        X = run.problem.features.rows(rows[part])
        Y = run.root.whiten(X)
        r[part], dots[part] = np.einsum("ij,ij->i", Y, Y), X @ run.total
    run.evaluations += len(rows)
    return r, dots
