"""GradMatch: rows whose weighted mean gradient is the pool's (Killamsetty et al., ICML 2021, arXiv 2103.00123)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.matching import herded, mean_errors, off_by
from spice_select.methods.stepwise import TIE_OF_PICKS, lowest_best, stepwise
from spice_select.numerics.arrays import Matrix, Rows, Vector
from spice_select.progress import Progress

_DONE = 1e-4
"""A residual of this share of the mean's length is none (the authors' tolerance)."""


class GradMatch(Method):
    """Orthogonal matching pursuit of the pool's mean gradient with weights that are not negative, each row once.

    The next row is the one that the residual points to most; then all weights are fitted anew. Where the residual is
    done, or no row lowers it, herding goes on from the picks. Gradients are of length one unless `--normalise none` is
    given. Training counts all rows alike, so both errors are written: with the weights, and without.
    """

    name: ClassVar[str] = "gradmatch"
    summary: ClassVar[str] = "rows whose weighted mean gradient is the pool's, by matching pursuit (GradMatch)"
    source: ClassVar[str] = "arXiv 2103.00123"
    reads: ClassVar[frozenset[str]] = frozenset({"alpha", "normalise"})

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. Cost: O(nd + t³) for the t-th pick.

        The choice knows the ``weight`` of each pick (0 for those that herding filled up with), the ``error`` of the
        picks so far with equal weights, and their ``weighted_error``; see `mean_errors`.
        """
        vectors = candidates.matrix.dense
        pursuit = Pursuit(vectors, candidates.rows)
        choice = stepwise(pursuit.order(), candidates, allowance, path=self.name, progress=progress)
        columns = {
            "weight": pursuit.weights(choice.indices),
            "error": mean_errors(vectors, choice.indices),
            "weighted_error": pursuit.errors[choice.indices],
        }
        return replace(choice, columns=columns)


class Pursuit:
    """The matching of a mean, pick by pick.

    Args:
        vectors: ``[n, d]``.
        rows: row numbers ``[n]``.

    Attributes:
        errors: how far the weighted mean was off after each position's pick, float64 ``[n]``; see `off_by`.
    """

    def __init__(self, vectors: Matrix, rows: Rows) -> None:
        self.errors = np.full(len(vectors), np.nan)
        self._vectors, self._rows, self._mean = vectors, rows, vectors.mean(axis=0)
        self._picks: list[int] = []
        self._weights, self._gram = np.zeros(0), np.zeros((0, 0))

    def order(self) -> Iterator[int]:
        """Every position once: those that the pursuit picks, then those of `herded`."""
        yield from self._pursued()
        error = self._error()
        for pick in herded(self._vectors, self._rows, self._picks):
            self.errors[pick] = error
            yield pick

    def weights(self, picks: NDArray[np.int64]) -> Vector:
        """Weights of the rows that were taken of the order, ``[k]``.

        Where the pursuit saw others, they and the errors are of these alone: fitted anew, O(t³) for the t-th.
        """
        pursued = set(self._picks)
        if [pick for pick in picks.tolist() if pick in pursued] != self._picks:
            self._picks, self._weights, self._gram = [], np.zeros(0), np.zeros((0, 0))
            for pick in picks.tolist():
                if pick in pursued:
                    self._fit(pick)
                else:
                    self.errors[pick] = self._error()
        known = dict(zip(self._picks, self._weights.tolist(), strict=True))
        return np.array([known.get(int(pick), 0.0) for pick in picks])

    def _pursued(self) -> Iterator[int]:
        allowed = np.ones(len(self._vectors), bool)
        length = float(np.linalg.norm(self._mean))
        longest = float(np.linalg.norm(self._vectors, axis=1).max())
        residual = self._mean
        while allowed.any() and np.linalg.norm(residual) > _DONE * length:
            scores, slack = self._vectors @ residual, TIE_OF_PICKS * longest * float(np.linalg.norm(residual))
            pick = lowest_best(scores, allowed, self._rows, slack)
            if scores[pick] <= slack:
                return
            allowed[pick] = False
            self._fit(pick)
            residual = self._mean - self._weights @ self._vectors[self._picks]
            yield pick

    def _fit(self, pick: int) -> None:
        """One more pick, and all weights anew."""
        self._picks.append(pick)
        own = self._vectors[self._picks]
        self._gram = _bordered(self._gram, own @ own[-1])
        self._weights = nonnegative_weights(self._gram, own @ self._mean, np.append(self._weights, 0.0))
        self.errors[pick] = self._error()

    def _error(self) -> float:
        return off_by(self._fitted(), self._mean) if self._picks else np.inf

    def _fitted(self) -> Vector:
        """The weighted mean of the picks: a trainer divides a batch's sum by its weights."""
        total = self._weights.sum() or 1.0
        return np.asarray(self._weights @ self._vectors[self._picks] / total)


def _bordered(gram: Matrix, last: Vector) -> Matrix:
    """The inner products with those of one more row, its own at the end."""
    grown = np.empty((len(last), len(last)))
    grown[:-1, :-1] = gram
    grown[-1], grown[:, -1] = last, last
    return grown


def nonnegative_weights(gram: Matrix, wanted: Vector, start: Vector) -> Vector:
    """W ≥ 0 that minimise ½ wᵀAw − bᵀw: Lawson and Hanson's active set, from a start (Bro and de Jong 1997).

    Args:
        gram: A, the inner products of the rows, ``[t, t]``.
        wanted: b, theirs with what is to be matched, ``[t]``.
        start: weights to go on from, ``[t]``.

    Cost: O(t³) for each row whose weight becomes positive or zero; one, where a row has been added to a fit.
    """
    weights, free = start.copy(), start > 0
    slack = 1e-12 * float(np.abs(wanted).max(initial=0.0))
    for _ in range(3 * len(wanted) + 1):  # more only where rounding goes in circles
        slope = np.where(free, -np.inf, wanted - gram @ weights)
        best = int(slope.argmax())
        if slope[best] <= slack:
            break
        free[best] = True
        weights, free = _within_bounds(gram, wanted, weights, free)
    return weights


def _within_bounds(
    gram: Matrix, wanted: Vector, weights: Vector, free: NDArray[np.bool_]
) -> tuple[Vector, NDArray[np.bool_]]:
    """The best weights of the free rows, rows leaving them as often as one would become negative."""
    while True:
        best = np.zeros(len(weights))
        best[free] = np.linalg.solve(gram[np.ix_(free, free)], wanted[free])
        below = free & (best <= 0)
        if not below.any():
            return best, free
        shares = weights[below] / (weights[below] - best[below])
        weights = weights + float(shares.min()) * (best - weights)
        leaving = np.flatnonzero(below)[shares <= shares.min()]
        weights[leaving], free = 0.0, free.copy()
        free[leaving] = False
