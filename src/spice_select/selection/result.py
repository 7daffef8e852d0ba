"""What a selection run returns: the rows in the order picked, what each was worth, and why the run ended."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.settings.counted import counted


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Why a run ended.

    Attributes:
        reason: `budget`, `gain_ratio`, `cost`, `exhausted` or `non_finite` (own rules may add their names).
        sentence: the same for people.
    """

    reason: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a run did, for benchmarks and reports.

    Attributes:
        path: the algorithm that ran: `eager`, `blocked` or another of `selection.paths`; over shards `partitioned` or
            `foretold`.
        seconds: wall time of the run, validation included.
        evaluations: marginal gains computed exactly, in float64.
        refreshed: stale bounds brought up to date, in float32 (0 where the path keeps none).
        flops: floating-point operations spent on those bounds.
        rounds, rows_sent: where rows lie on shards, how often all were asked, and how many rows they sent.
    """

    path: str
    seconds: float = 0.0
    evaluations: int = 0
    refreshed: int = 0
    flops: float = 0.0
    rounds: int = 0
    rows_sent: int = 0

    def __add__(self, other: "Stats") -> "Stats":
        return Stats(
            path=self.path,
            seconds=self.seconds + other.seconds,
            evaluations=self.evaluations + other.evaluations,
            refreshed=self.refreshed + other.refreshed,
            flops=self.flops + other.flops,
            rounds=self.rounds + other.rounds,
            rows_sent=self.rows_sent + other.rows_sent,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """Rows in the order picked, with the ε-decomposition of each pick. All arrays have length k.

    Attributes:
        indices: int64, rows of the feature matrix in the order picked.
        gains: float64, Δ_x(S), the marginal gain at the moment of the pick.
        bases: float64, Δ_x(∅), what the row carries alone: log(1 + α‖g‖²) for log det.
        conflicts: float64, max(0, −cos(g_x, ḡ_S)), whatever the penalty was; 0 for a first pick.
        penalties: float64, what was subtracted from the gain: weight × penalty.
        scores: float64, gains − penalties.
        pools: int64, the pool each row came from; 0 in a global run.
        stop: why the run ended.
        stats: what it cost.
    """

    indices: NDArray[np.int64]
    gains: NDArray[np.float64]
    bases: NDArray[np.float64]
    conflicts: NDArray[np.float64]
    penalties: NDArray[np.float64]
    scores: NDArray[np.float64]
    pools: NDArray[np.int64]
    stop: Stop
    stats: Stats

    @property
    def epsilons(self) -> NDArray[np.float64]:
        """ε_x(S) = Δ_x(S) − Δ_x(∅) [k]: what interaction with the rows picked before takes away; ≤ 0 if submodular."""
        return self.gains - self.bases

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices.tolist())

    def head(self, k: int) -> "Selection":
        """The first `k` picks: equal to a run with that `k`, since greedy never looks ahead.

        It does not equal such a run where the future shaped the past: under a cost budget, minimum quotas or
        pools; there it is only the first `k` picks of this one. `stats` stay those of the whole run.

        Raises:
            InputError: `k` is below 0 or above the number of picks.
        """
        if not isinstance(k, int | np.integer) or not 0 <= k <= len(self):
            raise InputError(
                f"head({k!r}) of a selection of {len(self)} rows: there are not that many picks. "
                f"Ask for 0 to {len(self)}, or select again with a larger k."
            )
        arrays = {f.name: getattr(self, f.name)[:k] for f in fields(self) if f.name not in ("stop", "stats")}
        return replace(self, **arrays, stop=reached_budget(k))


def reached_budget(k: int) -> Stop:
    """The ordinary end: `k` rows were asked for and found."""
    return Stop(reason="budget", sentence=f"The budget of {counted(k, 'row')} is used up.")
