"""The conflict weight λ by what it does to the picks: what `--conflict-weight auto` goes by."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.information import information_of
from spice_select.diagnosis.interaction import conflicting_share
from spice_select.diagnosis.ports import RecordedPicks
from spice_select.numerics.features import read

GRID = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
CHANCE = 10  # random choices that the share is compared with
_AFFORDED = 0.99  # of the information that λ = 0 reaches


@dataclass(frozen=True, kw_only=True)
class TriedWeight:
    """A λ that was tried: the share of its picks that conflict, and its information over that of λ = 0."""

    weight: float
    conflicting: float
    information: float


@dataclass(frozen=True, kw_only=True)
class LeastWeight:
    """The λ that was found.

    Attributes:
        weight: the smallest of the grid that fits; 0 where none does.
        fits: whether one does.
        tried: what was tried, up to the one that fits.
        chance: mean share of conflicting picks among random ones.
    """

    weight: float
    fits: bool
    tried: tuple[TriedWeight, ...]
    chance: float

    @property
    def sentence(self) -> str:
        """Where the number comes from."""
        last, free = self.tried[-1], self.tried[0]
        if not self.fits:
            return (
                f"0: no λ up to {GRID[-1]:g} brings conflicting picks ({free.conflicting:.1%} at 0, "
                f"{last.conflicting:.1%} at {last.weight:g}) down to random picks' {self.chance:.1%} within "
                f"{1 - _AFFORDED:.0%} of the information"
            )
        if not self.weight:
            return (
                f"0 by rule: without a penalty no more picks conflict ({free.conflicting:.1%}) than of random ones "
                f"({self.chance:.1%})"
            )
        return (
            f"{self.weight:g} by rule: the least of {', '.join(f'{weight:g}' for weight in GRID)} at which no more "
            f"picks conflict ({last.conflicting:.1%}) than of random ones ({self.chance:.1%}); at 0 "
            f"{free.conflicting:.1%} do, and {last.information:.2%} of its information are kept"
        )


def least_weight(
    features: object,
    select: Callable[[float], RecordedPicks],
    draw: Callable[[int], RecordedPicks],
    *,
    alpha: float,
    progress: Callable[[int], None] | None = None,
) -> LeastWeight:
    """The smallest λ whose share of conflicting picks is at most random picks', for at most 1 % of the information.

    The share need not fall as λ grows, so the grid is tried from below, not bisected. Where none fits it is 0: a
    penalty that misses its aim at that price is not worth a part of it, as no tuned loss stands behind any.

    Args:
        features: ``[n, d]``, as the selector sees them.
        select: λ → the selection with it, everything else as in the run.
        draw: number of the draw → as many random picks, with their conflicts.
        alpha: the scale α that information is measured at.
        progress: called with 1 after each selection and draw.

    Raises:
        InputError: features that cannot be used.

    Cost: at most six selections and ten random ones, with log det of the picks of the six.
    """
    rows, tell = read(features).compacted, progress or (lambda amount: None)

    def share(picks: RecordedPicks) -> float:
        tell(1)
        return conflicting_share(picks)

    chance = float(np.mean([share(draw(number)) for number in range(CHANCE)]))
    tried, free = list[TriedWeight](), 0.0
    for weight in GRID:
        picks = select(weight)
        information = information_of(rows, np.asarray(picks.indices), alpha)
        free = free if tried else information
        kept = information / free if free > 0 else 1.0
        tried.append(TriedWeight(weight=weight, conflicting=share(picks), information=kept))
        if tried[-1].conflicting <= chance and kept >= _AFFORDED:
            return LeastWeight(weight=weight, fits=True, tried=tuple(tried), chance=chance)
    return LeastWeight(weight=0.0, fits=False, tried=tuple(tried), chance=chance)
