"""A mean over seeds and rows as two crossed random factors, with a closed-form interval.

Neither alone will do: with few seeds, an interval over rows only covers a third of what it says when the seeds
scatter, and one over seeds only as little when the rows do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix, Vector

Strata = NDArray[np.int64]
"""int64 [R]: the fixed part that each held-out row stands for, counted from 0."""


@dataclass(frozen=True)
class CrossedEstimate:
    """A mean, and its variance by seeds and by rows, each with degrees of freedom."""

    mean: float
    by_seeds: float
    by_rows: float
    seeds_df: float
    rows_df: float

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(self.by_seeds + self.by_rows)

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom of `error`²; infinite where nothing varies at all."""
        below = self.by_seeds**2 / self.seeds_df + self.by_rows**2 / self.rows_df
        return self.error**4 / below if below else math.inf

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Both ends of the two-sided interval."""
        half = self.half(level)
        return self.mean - half, self.mean + half

    def half(self, level: float = 0.95) -> float:
        """Half the width of `interval`."""
        return float(stats.t.ppf((1 + level) / 2, self.df)) * self.error

    def p(self) -> float:
        """Two-sided, of no difference."""
        return min(1.0, 2 * self.above(abs(self.mean)))

    def above(self, distance: float) -> float:
        """The chance of an error of more than `distance`, upwards."""
        if self.error:
            return float(stats.t.sf(distance / self.error, self.df))
        return 0.0 if distance > 0 else 0.5 if distance == 0 else 1.0


def crossed(values: Matrix, strata: Strata | None = None) -> CrossedEstimate:
    """The mean of `values` ``[S, R]``, rows of the matrix being seeds: v = s²(seed means)/S + s²(row means)/R.

    The interaction is counted in both parts, which makes the interval slightly wide: the safe side.

    Args:
        values: what each row contributes, in every stratum with the same mean (`Endpoint.contributions`).
        strata: where the mean is one over parts of unequal size, the part of each row. A part of few rows counts as
            much as the others and is known less, so that rows have fewer degrees of freedom than R − 1.

    Raises:
        InputError: less than two seeds or two rows, which have no spread.
    """
    seeds, rows = values.shape
    if seeds < 2 or rows < 2:
        raise InputError(f"{seeds} seeds, {rows} rows: a spread needs two of each. Run more seeds, or hold out more.")
    return CrossedEstimate(
        mean=float(values.mean()),
        by_seeds=float(values.mean(axis=1).var(ddof=1)) / seeds,
        by_rows=float(values.mean(axis=0).var(ddof=1)) / rows,
        seeds_df=seeds - 1,
        rows_df=rows - 1 if strata is None else _rows_df(values.mean(axis=0), strata),
    )


def _rows_df(lines: Vector, strata: Strata) -> float:
    """Satterthwaite's degrees of freedom of a variance that is the sum of its strata's, each of one less than its rows.

    The fewer of two: with the variances as they were found, and as they would be if all rows scattered alike. The first
    alone is too many just where two or three rows happen to lie close together, and a difference seems sure.
    """
    counts = np.bincount(strata)
    found = np.bincount(strata, (lines - lines.mean()) ** 2).astype(np.float64)
    return min(_satterthwaite(found, counts), _satterthwaite(1.0 / counts, counts))


def _satterthwaite(parts: Vector, counts: Strata) -> float:
    below = float((parts**2 / (counts - 1)).sum())
    return float(parts.sum()) ** 2 / below if below else float((counts - 1).sum())


def over_beds(beds: Sequence[Matrix], strata: Sequence[Strata | None] | None = None) -> CrossedEstimate:
    """The mean over beds of the means of their ``[S, R_b]``. The beds are fixed: the claim is about these ones.

    One seed is the same initial state and order in every bed, so seeds are averaged over the beds before their
    spread is taken; the rows of two beds have nothing to do with each other. `strata` are those of each bed's rows.

    Raises:
        InputError: beds of unequal seeds.
    """
    if len({len(values) for values in beds}) != 1:
        raise InputError(f"{[len(values) for values in beds]} seeds: a mean over beds needs the same ones in each bed.")
    each = [crossed(values, own) for values, own in zip(beds, strata or [None] * len(beds), strict=True)]
    means = np.mean([values.mean(axis=1) for values in beds], axis=0)
    parts = np.array([one.by_rows for one in each]) / len(beds) ** 2
    below = float(sum(part**2 / one.rows_df for part, one in zip(parts, each, strict=True)))
    return CrossedEstimate(
        mean=float(means.mean()),
        by_seeds=float(means.var(ddof=1)) / len(means),
        by_rows=float(parts.sum()),
        seeds_df=len(means) - 1,
        rows_df=float(parts.sum()) ** 2 / below if below else math.inf,
    )
