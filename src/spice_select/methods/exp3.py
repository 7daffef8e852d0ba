"""EXP3: a bandit that learns which of its arms pays, whatever decides what they pay (Auer et al. 2002)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Exp3:
    """K arms, each drawn with probability (1 − γ)·w/Σw + γ/K.

    Attributes:
        weights: w ``[K]``, the largest 1: their ratios alone count.
        exploration: γ.
    """

    weights: NDArray[np.float64]
    exploration: float = 0.1

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Of each arm, ``[K]``; none below γ/K."""
        share = self.weights / self.weights.sum()
        return (1 - self.exploration) * share + self.exploration / len(self.weights)

    def paid(self, arm: int, reward: float, probability: float) -> "Exp3":
        """After an arm that was drawn with this probability paid a reward from −1 to 1: w ← w·exp(γ/K · r/p)."""
        weights = self.weights.copy()
        weights[arm] *= np.exp(self.exploration / len(weights) * reward / probability)
        return replace(self, weights=weights / weights.max())


def min_max(history: Sequence[float]) -> float:
    """The last of some numbers on a scale from −1, the least of them, to 1, the greatest; 0 where all are equal."""
    least, most = min(history), max(history)
    return 0.0 if least == most else 2 * (history[-1] - least) / (most - least) - 1
