"""Random against random: the noise of a comparison, and whether it finds what is not there."""

import math
from dataclasses import dataclass

import numpy as np

from spice_select.comparison.bed import Bed
from spice_select.comparison.statistics import CrossedEstimate, crossed
from spice_select.comparison.terms import Terms
from spice_select.errors import InputError


@dataclass(frozen=True)
class NullCheck:
    """Random against random (A/A): what the comparison says where there is nothing to find.

    `sd` is that of the difference of two of its runs: √2 times the deviation over all of its seeds.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    left_out: tuple[int, ...]
    difference: CrossedEstimate
    sd: float

    def passed(self, alpha: float = 0.05) -> bool:
        """No difference was found, as there is none; α of such checks fail all the same."""
        return self.difference.p() >= alpha


def null_check(bed: Bed, terms: Terms | None = None) -> NullCheck:
    """The control's seeds split in two: the first half paired with the second, in order; an odd last one is left out.

    Raises:
        InputError: fewer than four seeds of the control.
    """
    terms = terms or Terms()
    seeds = bed.shared(terms.control)
    half = len(seeds) // 2
    if half < 2:
        raise InputError(f"{bed.name}: {len(seeds)} seeds of {terms.control!r}; two halves need four. Run more seeds.")
    first, second = seeds[:half], seeds[half : 2 * half]
    values = [bed.contributions(terms.control, part, terms.endpoint) for part in (first, second)]
    return NullCheck(
        first=tuple(first),
        second=tuple(second),
        left_out=tuple(seeds[2 * half :]),
        difference=crossed(values[0] - values[1], bed.strata(terms.endpoint)),
        sd=noise_of_two(bed, terms),
    )


def noise_of_two(bed: Bed, terms: Terms) -> float:
    """The standard deviation of a difference of two runs of the control; NaN of fewer than two."""
    losses = [terms.endpoint.value(held) for held in bed.judged(terms.control).values()]
    return math.sqrt(2) * float(np.std(losses, ddof=1)) if len(losses) > 1 else math.nan
