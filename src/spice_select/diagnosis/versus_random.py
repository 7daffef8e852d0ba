"""The information of a selection beside that of random picks of the same size: the opponent to beat."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.information import information_nearly, information_of
from spice_select.diagnosis.ports import Subset, alpha_of, picked_rows
from spice_select.errors import InputError
from spice_select.numerics.features import read
from spice_select.selection.objectives.logdet import LogDet

RANDOM_DRAWS = 10
"""Random picks of the same size that a selection's information is compared with."""


@dataclass(frozen=True, kw_only=True)
class RandomComparison:
    """`information` of the selection; `draws` float64 [R], that of R uniform draws of as many rows."""

    information: float
    draws: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.draws.mean())

    @property
    def std(self) -> float:
        """Sample standard deviation (R−1)."""
        return float(self.draws.std(ddof=1))

    @property
    def min(self) -> float:
        return float(self.draws.min())

    @property
    def max(self) -> float:
        return float(self.draws.max())

    @property
    def z(self) -> float:
        """(information − mean)/std: how many standard deviations of a random draw apart; NaN if draws do not vary."""
        return (self.information - self.mean) / self.std if self.std > 0 else float("nan")


def versus_random(
    features: object,
    selection: Subset,
    objective: LogDet,
    *,
    draws: int = 20,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> RandomComparison:
    """Compare log det(I+αF) of the selection with `draws` random subsets of its size, each from its own seeded stream.

    `progress` is called with 1 after each of the draws + 1 subsets. Raises InputError for fewer than two draws, and as
    `certificate` does.
    The draws' are right to a millionth of their value.
    Cost: (draws+1)·(kd² + d³/3) flops, with min(k, d) for one of the d; products in float32 but for the selection's.
    """
    if draws < 2:
        raise InputError(f"draws is {draws}; a spread needs 2 or more")
    checked = read(features)
    picked, alpha = picked_rows(selection, len(checked.array)), alpha_of(objective)
    matrix = checked.compacted
    streams = (np.random.default_rng((seed, draw)) for draw in range(draws))
    subsets = (stream.choice(len(matrix), len(picked), replace=False) for stream in streams)
    values, tell = list[float](), progress or (lambda amount: None)
    information = information_of(matrix, picked, alpha)
    tell(1)
    for rows in subsets:
        values.append(information_nearly(matrix, rows, alpha, checked.squares))
        tell(1)
    return RandomComparison(information=information, draws=np.array(values))
