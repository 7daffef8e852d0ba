"""The one word that a comparison ends in, or the reason why it ends in none."""

from dataclasses import dataclass

from spice_select.comparison.statistics.crossed import CrossedEstimate
from spice_select.comparison.statistics.families import simultaneous_level
from spice_select.comparison.statistics.power import needed_seeds

LEAST_SEEDS = 5
MOST_TOKENS_APART = 0.05


@dataclass(frozen=True)
class Verdict:
    """*better*, *worse*, *equivalent*, *undecided* or *no verdict*; `detail` says what else there is to say."""

    word: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.word} ({self.detail})" if self.detail else self.word


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests: the p of a difference at or below −margin, and of one at or above it."""

    lower_p: float
    upper_p: float
    interval: tuple[float, float]
    margin: float

    def holds(self, alpha: float = 0.05) -> bool:
        """Both tests reject, which is the (1 − 2α) interval lying inside the margin."""
        return max(self.lower_p, self.upper_p) < alpha


def equivalence(estimate: CrossedEstimate, margin: float, alpha: float = 0.05) -> Equivalence:
    """Whether the difference is smaller than `margin`, fixed beforehand, with its 1 − 2α interval."""
    return Equivalence(
        lower_p=estimate.above(estimate.mean + margin),
        upper_p=estimate.above(margin - estimate.mean),
        interval=estimate.interval(1 - 2 * alpha),
        margin=margin,
    )


def why_not_judged(seeds: int, tokens_apart: float) -> str | None:
    """Why there can be no verdict: too few seeds, or an arm that was given more or fewer tokens than random."""
    if seeds < LEAST_SEEDS:
        return f"paired seeds: {seeds}, at least {LEAST_SEEDS} are needed"
    if not abs(tokens_apart) <= MOST_TOKENS_APART:
        return f"{tokens_apart:+.0%} supervised tokens"
    return None


def verdict(
    estimate: CrossedEstimate, adjusted_p: float, *, margin: float, family: int, alpha: float = 0.05
) -> Verdict:
    """The word for random − arm: by Holm's p first, then by equivalence, else the seeds that would decide.

    The seeds needed are those that show a difference of `margin` with a power of .8, at the simultaneous level.
    """
    small = equivalence(estimate, margin, alpha).holds(alpha)
    if adjusted_p < alpha:
        return Verdict("better" if estimate.mean > 0 else "worse", "within the margin" if small else "")
    if small:
        return Verdict("equivalent")
    seeds = needed_seeds(estimate, margin, alpha=1 - simultaneous_level(alpha, family))
    if seeds is None:
        return Verdict("undecided", "needs more held-out rows")
    if seeds <= estimate.seeds_df + 1:
        return Verdict("undecided", f"its seeds would show {margin:g}: it is smaller, or near that")
    return Verdict("undecided", f"needs {seeds} seeds")
