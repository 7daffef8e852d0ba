"""Upper bounds on what rows can gain for a target, so that most rows need not be looked at for most picks.

The gain of `TargetInformation` may grow as the set grows, so a stale gain bounds nothing. But it grows no more than the
picks since then have turned P = (I + αF_S)⁻¹, which is a small matrix: docs/selection.md has the proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.arrays import Matrix, Rows

_ROUNDING = (
    1e-11  # more than float64 loses on the way to the root of a reach or a leverage, relative to the row's length
)
_SLACK = 1e-12  # more than it loses in an eigenvalue, relative to the trace
_CREDITS = (0.0, 0.25, 0.5, 1.0)  # how much of what all reaches have fallen by one row's is taken to have fallen by
_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class PosteriorTurn:
    """How far picks took P = LLᵀ to LNLᵀ: a row of leverage c before has a reach of at most `turned`·c more, and a
    leverage of at least `kept`·c.
    """

    turned: float
    kept: float

    def further(self, turned: float, drawn: float) -> "PosteriorTurn":
        """After more picks, which turn P by so much one by one; `drawn` is α times their leverages before."""
        return PosteriorTurn(turned=self.turned + turned, kept=1.0 / (1.0 / self.kept + drawn) if self.kept else 0.0)

    def covers(self, other: "PosteriorTurn") -> bool:
        """Whether this allows for all of the other."""
        return other.turned <= self.turned and other.kept >= self.kept


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedCeiling:
    """At least what any of many rows can gain, however far P turns: the highest of their ceilings at one turn, and how
    fast the ceilings rise from there. A ceiling D − D²/2R rises by ΔD at most, and with a factor on D by no more than
    that factor.

    Attributes:
        highest: of the ceilings (scores: divided by the rows' prices) at the turn `at`.
        steepest: the most that a ceiling rises with `turned` there.
        leverage: the largest αc that any of the rows is sure to have, when last absorbed.
    """

    highest: float
    at: PosteriorTurn
    steepest: float
    leverage: float

    def after(self, turn: PosteriorTurn) -> float:
        """For as long as P has turned no further than this. O(1)."""
        risen = max(turn.turned - self.at.turned, 0.0) * self.steepest
        widened = (1.0 + self.at.kept * self.leverage) / (1.0 + turn.kept * self.leverage)
        return (self.highest + risen) * max(1.0, widened) * (1.0 + _SLACK)


class Ceilings:
    """For every row at least its gain, given the picks absorbed so far.

    With P = LLᵀ a row x has the leverage c = xᵀPx and the reach ρ = Σ_τ (r_τ/q)·xᵀPT_τPx over the q tasks, T_τ =
    Y_τᵀY_τ/‖Y_τ‖², r_τ = tr(LᵀT_τL). Of each row are kept ρ and c or more, and c or less; where a row is `fresh` they
    are those of the picks absorbed. With D = αρ/(1 + αc) it gains D − Σ_τ δ_τ²/2q, and by Cauchy–Schwarz no more than
    D − D²/2R, R = Σ_τ r_τ²/q: with one task its gain. All tasks turn together, so what one loses another may gain.

    Args:
        seen: the rows in the span of the target, float64 ``[n, r]``.
        tasks: the rows of each task there, ``[m, r]``.
        alpha: the scale α.
    """

    def __init__(self, seen: Matrix, tasks: Sequence[Matrix], alpha: float) -> None:
        self.seen, self._alpha = seen, alpha
        n, r = seen.shape
        self._tasks = [np.linalg.qr(task, mode="r") / np.sqrt((task * task).sum()) for task in tasks]
        self._lengths = np.sqrt(np.einsum("ij,ij->i", seen, seen))
        self._root = np.eye(r)  # R, upper triangular, with RᵀR = I + αF_S
        self.unturned = PosteriorTurn(turned=0.0, kept=1.0)
        self._reach, self._most, self._least = np.empty(n), np.empty(n), np.empty(n)
        self.fresh = np.zeros(n, dtype=bool)
        self._whiten()
        self.refresh(np.arange(n))

    def whitened(self, rows: Rows) -> Matrix:
        """XL of some rows: what P is to a row is N to these."""
        return self.seen[rows] @ self._whitening

    @property
    def spreads(self) -> list[Matrix]:
        """LᵀT_τL for each task: what T_τ is to a row."""
        return [aim.T @ aim for aim in self._aims]

    def refresh(self, rows: Rows) -> None:
        """Bring these rows up to the picks absorbed: O(|rows|r²)."""
        r = len(self._whitening)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            noise = _ROUNDING * self._lengths[part]
            both = self.seen[part] @ self._both
            leverage = np.einsum("ij,ij->i", both[:, :r], both[:, :r])
            self._reach[part] = (np.sqrt(np.einsum("ij,ij->i", both[:, r:], both[:, r:])) + noise) ** 2
            self._most[part] = (np.sqrt(leverage) + noise) ** 2
            self._least[part] = np.maximum(np.sqrt(leverage) - noise, 0.0) ** 2
        self.fresh[rows] = True

    def after(self, turn: PosteriorTurn, rows: Rows | slice = slice(None)) -> NDArray[np.float64]:
        """For each of these rows at least its gain, for as long as P has turned no further than this. O(|rows|)."""
        spread = self._alpha / (1.0 + (self._alpha * turn.kept) * self._least[rows])
        R = float(np.mean(self._left**2))
        taken = np.minimum((self._reach[rows] + turn.turned * self._most[rows]) * spread, R)
        return (1.0 - taken / (2 * R)) * taken * (1.0 + _SLACK)

    def together(
        self, rows: NDArray[np.bool_], highest: float, at: PosteriorTurn, divisors: NDArray[np.float64] | float
    ) -> SharedCeiling:
        """One for these rows (bool ``[n]``), the `highest` of whose ceilings, divided, is known at one turn. O(n)."""
        sure = self._alpha * self._least
        steep = self._alpha * self._most / (1.0 + at.kept * sure) / divisors
        return SharedCeiling(
            highest=highest,
            at=at,
            steepest=float(steep.max(initial=0.0, where=rows)),
            leverage=float(sure.max(initial=0.0, where=rows)),
        )

    def turn(self, N: Matrix) -> PosteriorTurn:
        """How far P has come, from N itself: the largest eigenvalue of NBN − B, B = LᵀTL, the least of N. O(r³)."""
        turned = max(0.0, float(np.linalg.eigvalsh(N @ self._spread @ N - self._spread)[-1]))
        slack = _SLACK * float(self._spread.trace())
        return PosteriorTurn(turned=turned + slack, kept=max(0.0, float(np.linalg.eigvalsh(N)[0]) - _SLACK))

    def absorb(self, rows: Rows, N: Matrix) -> None:
        """These rows were picked; together they took P = LLᵀ to LNLᵀ. O(n + r³)."""
        self._least *= self.turn(N).kept
        spread, left = self._spread, self._left
        turned = N @ spread @ N
        # NBN ≤ θB + λ for any θ, λ the largest eigenvalue of the difference: some are better for far rows.
        fallen = 1.0 - max(0.0, 1.0 - float(turned.trace() / spread.trace())) * np.array(_CREDITS)
        grown = [max(0.0, float(np.linalg.eigvalsh(turned - share * spread)[-1])) for share in fallen]
        slack = _SLACK * float(spread.trace())
        bounds = [share * self._reach + (more + slack) * self._most for share, more in zip(fallen, grown, strict=True)]
        stacked = np.vstack([self._root, np.sqrt(self._alpha) * self.seen[rows]])
        order = np.argsort(-np.abs(stacked).max(axis=1), kind="stable")  # longest first: see `information_root`
        self._root = np.asarray(np.linalg.qr(stacked[order], mode="r"), dtype=np.float64)
        self._whiten()
        self._reach = np.min(bounds, axis=0) * (float((self._left / left).max()) * (1.0 + _SLACK))
        self.fresh[:] = False

    def _whiten(self) -> None:
        self._whitening = np.asarray(np.linalg.inv(self._root), dtype=np.float64)
        self._aims = [task @ self._whitening for task in self._tasks]  # T_τ^½L
        self._left = np.array([float((aim * aim).sum()) for aim in self._aims])  # r_τ
        weighed = [aim * np.sqrt(left / len(self._aims)) for aim, left in zip(self._aims, self._left, strict=True)]
        aim = np.asarray(np.linalg.qr(np.vstack(weighed), mode="r"))  # B = LᵀTL, T = Σ r_τT_τ/q
        self._spread = aim.T @ aim
        self._both = np.hstack([self._whitening, self._whitening @ aim.T])
