"""The learning rate of a short training, step by step."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Rises linearly, then falls; nowhere zero, so that every step moves something.

    Attributes:
        peak: the highest.
        warmup: share of the steps over which it rises.
        decay: ``linear`` or ``cosine`` to zero, or ``none``.
    """

    peak: float = 2e-4
    warmup: float = 0.03
    decay: str = "linear"

    def at(self, step: int, total: int) -> float:
        """The rate of step 0 … total−1."""
        rising = math.ceil(self.warmup * total)
        if step < rising:
            return self.peak * (step + 1) / rising
        left = (total - step) / max(1, total - rising)  # 1 at the first step after the rise, above 0 at the last
        return self.peak * _DECAYS[self.decay](left)


CONSTANT = Rate(warmup=0.0, decay="none")
"""The same rate at every step."""

_DECAYS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda left: left,
    "cosine": lambda left: 0.5 * (1.0 - math.cos(math.pi * left)),
    "none": lambda left: 1.0,
}
