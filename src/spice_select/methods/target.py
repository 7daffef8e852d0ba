"""The target: rows of what matters, which a method may choose for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Example
from spice_select.features.normalise import normalised_as_read
from spice_select.selection import Features
from spice_select.selection.objectives.base import labelled
from spice_select.store import FeatureBlock

GRADIENTS = "gradients"
"""The feature that most methods need, by its name in `spice_select.features.FEATURES`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetSet:
    """Rows of what matters, aligned by position.

    Attributes:
        rows: int64 ``[m]``, numbers of the rows in the target, counted through all its files.
        tasks: the task of each row; ``""`` where the target is one.
        examples: the rows as the proxy sees them.
        features: what the method asked to know (`Method.needs`), by the feature's name; rows as here.
        normalise: how gradients are scaled before directions are compared, as the candidates' are.
    """

    rows: NDArray[np.int64]
    tasks: Sequence[str]
    examples: Sequence[Example] = ()
    features: Mapping[str, FeatureBlock] = field(default_factory=dict)
    normalise: str = "unit"

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def matrix(self) -> Features:
        """The gradients ``[m, d]``, scaled as the candidates'."""
        block = self.features[GRADIENTS]
        return Features(normalised_as_read(block.features, self.normalise, block.weights))

    @cached_property
    def groups(self) -> dict[str, NDArray[np.int64]]:
        """Task → positions of its rows, tasks in the order they first stand in."""
        return {task: np.array(rows, np.int64) for task, rows in labelled(self.tasks).items()}

    def take(self, positions: NDArray[np.int64]) -> "TargetSet":
        """Some of the rows, in this order."""
        return TargetSet(
            rows=self.rows[positions],
            tasks=[self.tasks[int(position)] for position in positions],
            examples=[self.examples[int(position)] for position in positions] if self.examples else (),
            features={name: block.take(positions) for name, block in self.features.items()},
            normalise=self.normalise,
        )
