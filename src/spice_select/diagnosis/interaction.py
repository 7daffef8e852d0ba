"""What a selector's own record says of interaction, free on every run; `decompose` computes the same afresh."""

from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.ports import RecordedPicks
from spice_select.numerics.ranks import spearman


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Over all picks but the first of each pool; NaN where there are too few, or nothing varies.

    Attributes:
        share: median of |ε|/base: 0 where rows are chosen as if each stood alone, near 1 where nearly all of a row is
            known already.
        conflict_with_gain: Spearman of conflict with Δ (the paper reports −0.792).
        conflict_with_epsilon: Spearman of conflict with |ε| (the paper reports +0.901).
    """

    share: float
    conflict_with_gain: float
    conflict_with_epsilon: float


def later(pools: np.ndarray) -> np.ndarray:
    """Bool [k]: every pick but the first of its pool."""
    mask = np.ones(len(pools), bool)
    mask[np.unique(pools, return_index=True)[1]] = False
    return mask


def conflicting_share(selection: RecordedPicks) -> float:
    """Share of the picks whose gradient opposes the mean of those before; the first of each pool aside."""
    rest = later(np.asarray(selection.pools))
    return float((selection.conflicts[rest] > 0).mean()) if rest.any() else 0.0


def interaction(selection: RecordedPicks) -> Interaction:
    """Read it off the gains, bases and conflicts of a selection. O(k log k)."""
    mask = later(np.asarray(selection.pools))
    gains, bases, conflicts = selection.gains[mask], selection.bases[mask], selection.conflicts[mask]
    full = bases > 0
    return Interaction(
        share=float(np.median(1 - gains[full] / bases[full])) if full.any() else float("nan"),
        conflict_with_gain=spearman(conflicts, gains),
        conflict_with_epsilon=spearman(conflicts, bases - gains),
    )
