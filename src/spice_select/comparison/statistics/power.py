"""How large a difference so many seeds can show, and how many seeds a difference needs."""

import bisect
import math

from scipy import optimize, stats

from spice_select.comparison.statistics.crossed import CrossedEstimate


def power_of(delta: float, error: float, df: float, alpha: float = 0.05) -> float:
    """The chance that a two-sided t test of level α sees a true difference of `delta` (> 0), on the right side."""
    if not error:
        return 1.0
    return float(stats.nct.sf(stats.t.isf(alpha / 2, df), df, delta / error))


def detectable(seeds: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The difference seen with `power`, in standard deviations of the paired difference over seeds."""
    error = 1 / math.sqrt(seeds)
    return float(optimize.brentq(lambda delta: power_of(delta, error, seeds - 1, alpha) - power, 1e-3, 50 * error))


def needed_seeds(
    pilot: CrossedEstimate, delta: float, *, alpha: float = 0.05, power: float = 0.8, most: int = 200
) -> int | None:
    """The fewest seeds that show a difference of `delta` on the pilot's rows; None where `most` would not do.

    `delta` is what matters, fixed beforehand: never the difference that the pilot happened to show. None says that
    the rows scatter too much, and more seeds do not mend that: hold out more rows.
    """

    def reached(seeds: int) -> float:
        planned = CrossedEstimate(
            mean=delta,
            by_seeds=pilot.by_seeds * (pilot.seeds_df + 1) / seeds,
            by_rows=pilot.by_rows,
            seeds_df=seeds - 1,
            rows_df=pilot.rows_df,
        )
        return power_of(delta, planned.error, planned.df, alpha)

    seeds = 2 + bisect.bisect_left(range(2, most + 1), power, key=reached)
    return seeds if seeds <= most else None


def control_seeds(seeds: int, arms: int) -> int:
    """How many seeds the one control of so many arms deserves, n·√m; `seeds` of them are those of the arms."""
    return round(seeds * math.sqrt(arms))
