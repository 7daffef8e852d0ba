"""What a block does for every pick: find the best of its rows, and condition the others on it.

`Inner` is plain numpy. `CompiledInner` has the same results from compiled code (`kernel/block.c`), where a pick takes a
few microseconds instead of some sixty.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Vector
from spice_select.selection.paths.blocked import kernels
from spice_select.selection.paths.blocked.whitened import WhitenedRows
from spice_select.selection.paths.ledger import TIE
from spice_select.selection.penalties.conflict import hinge_of_products

OVERFLOW = 700.0 if kernels.compiled is None else float(kernels.compiled.OVERFLOW_GAIN)
"""Gains above this are not turned back into r: that would be beyond float64."""


@dataclass(frozen=True)
class Best:
    """The next pick: its position in the block, gain, unweighted penalty, and the wear of the rows that tie with it."""

    at: int
    gain: float
    penalty: float
    wear: float


class Conflicts:
    """Products of a block's rows with the sum of the picks, kept up to date pick by pick."""

    def __init__(self, pool: WhitenedRows, total: Vector, count: int, *, eta: float, weight: float) -> None:
        if pool.X is None or pool.Q is None:
            raise RuntimeError("a conflict penalty needs a pool that keeps its rows as they are")
        self._X, self._Q = pool.X, pool.Q
        self.eta, self.weight = eta, weight
        self.dots = pool.X @ total
        self.lengths = np.sqrt(pool.Q.diagonal())
        self.total, self.count = total.copy(), count
        self.length = math.sqrt(total @ total)

    def take(self, at: int) -> None:
        """The row at this position is picked."""
        self.dots += self._Q[at]
        self.total += self._X[at]
        self.count += 1
        self.length = math.sqrt(self.total @ self.total)

    def penalties(self) -> Vector:
        """The conflict of every row with the picks so far."""
        if self.count == 0:
            return np.zeros(len(self.dots))
        return hinge_of_products(self.dots, self.lengths, self.length, self.count, self.eta)

    def cosines(self) -> Vector:
        """The cosine of every row with the sum of the picks; 0 where either has no length."""
        size = self.lengths * self.length
        return np.divide(self.dots, size, out=np.zeros_like(size), where=size > 0)


class Inner:
    """r of every row of a pool, −∞ where it is not open, and what each pick took: row j of `C` is what pick j took.

    With K = YYᵀ and each pick s: e = (K_s − C_sᵀC)·√(α/(1+αr_s)) is what the pick takes, r falls by e², and e becomes a
    row of C.
    """

    def __init__(
        self,
        pool: WhitenedRows,
        allowed: NDArray[np.bool_],
        *,
        alpha: float,
        most: int,
        conflicts: Conflicts | None,
        costs: Vector | None,
    ) -> None:
        self._pool, self._alpha = pool, alpha
        self._conflicts, self._costs = conflicts, costs
        self.r = np.where(allowed, pool.r, -np.inf)
        self._C = np.empty((most, pool.size))
        self.picked: list[int] = []

    @property
    def taken(self) -> NDArray[np.float64]:
        """What the picks took, [picks, p]."""
        return self._C[: len(self.picked)]

    def close(self, allowed: NDArray[np.bool_]) -> None:
        """Rows that are not allowed can no longer be picked."""
        self.r[~allowed] = -np.inf

    def restart(self) -> None:
        """Take r from the pool again, which was renewed; nothing has been picked yet."""
        self.r = np.where(self.r < 0, -np.inf, self._pool.r)

    def best(self, out: float) -> Best | None:
        """The best open row, ties to the lowest number; None if no row is open or `out` may be better."""
        found = self._best_by_score(out) if self._scored else self._best_by_gain(out)
        if found is None:
            return None
        tied, penalties = found
        at = int(tied[self._pool.rows[tied].argmin()])
        wear = float(self._pool.wear[tied].max())
        return Best(at, math.log1p(self._alpha * self.r[at]), float(penalties[at]) if self._scored else 0.0, wear)

    def take(self, at: int, *, again: bool = False) -> None:
        """Pick the row at this position, and condition the others on it; with `again` the position stays open."""
        self._condition(at, math.sqrt(self._alpha / (1 + self._alpha * self.r[at])))
        self.picked.append(at)
        if not again:
            self.r[at] = -np.inf
        if self._conflicts is not None:
            self._conflicts.take(at)

    @property
    def _scored(self) -> bool:
        return self._conflicts is not None or self._costs is not None

    def _condition(self, at: int, factor: float) -> None:
        j, r = len(self.picked), self.r
        e = self._C[j]
        np.matmul(self._C[:j, at], self._C[:j], out=e)
        np.subtract(self._pool.K[at], e, out=e)
        e *= factor
        self.r = np.where(r < 0, r, np.maximum(r - e * e, 0.0))

    def _best_by_gain(self, out: float) -> tuple[NDArray[np.int64], Vector] | None:
        """The positions that tie for the largest r."""
        best, alpha, r = int(self.r.argmax()), self._alpha, self.r
        if r[best] < 0:
            return None
        gain = math.log1p(alpha * float(r[best]))
        least = gain - TIE * gain
        if least <= out:  # equal where both are zero: what lies outside ties, and may have a lower number
            return None
        near = np.flatnonzero(r >= math.expm1(gain - 2 * TIE * gain) / alpha) if gain < OVERFLOW else np.array([best])
        return near[np.log1p(alpha * r[near]) >= least], r

    def _best_by_score(self, out: float) -> tuple[NDArray[np.int64], Vector] | None:
        """The positions that tie for the largest score, and the penalties."""
        open_ = self.r >= 0
        gains = np.log1p(self._alpha * np.maximum(self.r, 0.0))
        penalties = np.zeros(len(gains)) if self._conflicts is None else self._conflicts.penalties()
        weighted = penalties * (0.0 if self._conflicts is None else self._conflicts.weight)
        costs = 1.0 if self._costs is None else self._costs
        scores = np.where(open_, (gains - weighted) / costs, -np.inf)
        best = int(scores.argmax())
        least = float(scores[best] - TIE * ((gains + weighted) / costs)[best])
        if not open_[best] or least <= out:
            return None
        return np.flatnonzero(scores >= least), penalties


class CompiledInner(Inner):
    """`Inner` with both steps in compiled code."""

    def __init__(self, pool: WhitenedRows, allowed: NDArray[np.bool_], **options: Any) -> None:
        super().__init__(pool, allowed, **options)
        self._room = np.empty(pool.size)

    def best(self, out: float) -> Best | None:
        """As `Inner.best`."""
        pool, c = self._pool, self._conflicts
        conflict = (None, None, 0.0, 0.0, 0.0, 0.0)
        if c is not None:
            conflict = (c.dots, c.lengths, c.weight, c.length, float(c.count), c.eta)  # type: ignore[assignment]
        found = kernels.compiled.best(
            *(self.r, pool.rows, pool.wear, self._alpha, TIE, out), *conflict, *(self._costs, self._room)
        )
        return None if found is None else Best(*found)

    def _condition(self, at: int, factor: float) -> None:
        kernels.compiled.condition(self._pool.K, self._C, self.r, at, len(self.picked), factor)


def inner_loop() -> type[Inner]:
    """The compiled one where it was built."""
    return Inner if kernels.compiled is None else CompiledInner
