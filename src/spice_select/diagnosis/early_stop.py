"""Where the early stop of SPICE+ would fall for other ω, and how much hangs on the ω chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.ports import RecordedPicks
from spice_select.errors import InputError

OMEGAS = (0.3, 0.5, 0.7, 0.9)
MARGIN = 0.1  # how far ω is moved to see what hangs on it
_SHAKY = 0.5  # a stop is unstable where that moves the number of rows by more than this share of it


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """The stop at one ω, read off a run's own gains.

    Attributes:
        omega: end at the first pick with Δ ≤ ω·Δ of the first.
        picks: rows taken by then, over all pools.
        reached: share of the pools in which it is reached; 0 or 1 for a selection over everything at once.
        fewest, most: the same number of rows for ω raised and lowered by a tenth of itself.
        returns: gains after the stop that are above the line again; 0 for any run without a penalty that took no row
            unasked and none for its cost.
    """

    omega: float
    picks: int
    reached: float
    fewest: int
    most: int
    returns: int

    @property
    def unstable(self) -> bool:
        """Whether a tenth more or less of ω moves the number of rows by more than half, or gains return."""
        return self.reached > 0 and ((self.most - self.fewest) > _SHAKY * self.picks or self.returns > 0)


def early_stops(selection: RecordedPicks, omegas: Sequence[float] = OMEGAS) -> tuple[EarlyStop, ...]:
    """Where each ω would have ended the run, from the gains it recorded.

    The rule only ever ends a run, so the picks before the stop are those of the run itself; nothing is known beyond
    its last pick, and counts are then those of the whole run.

    Raises InputError for an ω outside (0, 1). Cost: O(k) for each ω.
    """
    wrong = [omega for omega in omegas if not 0 < omega < 1]
    if wrong:
        raise InputError(f"omega={wrong[0]!r}: the gain ratio lies between 0 and 1. Give 0.5 for instance.")
    gains, pools = np.asarray(selection.gains), np.asarray(selection.pools)
    curves = [gains[pools == pool] for pool in np.unique(pools)]
    return tuple(_stop(curves, omega) for omega in omegas)


def _stop(curves: Sequence[np.ndarray], omega: float) -> EarlyStop:
    ends = [_end(curve, omega) for curve in curves]
    return EarlyStop(
        omega=omega,
        picks=sum(ends),
        reached=float(np.mean([end < len(curve) for end, curve in zip(ends, curves, strict=True)])),
        fewest=sum(_end(curve, min(1.0, omega * (1 + MARGIN))) for curve in curves),
        most=sum(_end(curve, omega * (1 - MARGIN)) for curve in curves),
        returns=sum(int((curve[end:] > omega * curve[0]).sum()) for end, curve in zip(ends, curves, strict=True)),
    )


def _end(curve: np.ndarray, omega: float) -> int:
    """Picks before the first with Δ ≤ ω·Δ of the first, which itself always stands."""
    below = np.flatnonzero(curve[1:] <= omega * curve[0])
    return int(below[0]) + 1 if len(below) else len(curve)
