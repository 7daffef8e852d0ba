"""How far conflicts can have fallen while the mean gradient turned."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Turning:
    """Of rows of `d` numbers, the `shortest` of which (but for zeros) has this length.

    `eta`: the guard of the conflict penalty; None without one.
    """

    d: int
    eta: float | None
    shortest: float

    @property
    def blur(self) -> float:
        """More than the rounding of three inner products of d terms."""
        return 8 * (self.d + 4) * float(np.finfo(np.float64).eps)

    def most(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
        """The most any row's conflict can have changed while the mean gradient went from `before` to `after`."""
        a, b = math.sqrt(before @ before), math.sqrt(after @ after)
        if a == 0 or b == 0 or self.eta is None:
            return 2.0
        gap = math.sqrt(max(0.0, 2.0 - 2.0 * float(before @ after) / (a * b)) + self.blur)
        # The second term: how far size/(size + η) can differ between the means, most for the shortest row there is.
        return gap + min(1.0, self.eta / (self.shortest * min(a, b)))
