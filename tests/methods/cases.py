"""A row for each entry of the table of methods: a worked example, small enough to check by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spice_select.methods import METHODS, Candidates, Method
from spice_select.methods.base import GRADIENTS
from spice_select.run.settings import SelectSettings
from spice_select.store import FeatureBlock


@dataclass(frozen=True, kw_only=True)
class Case:
    """A method on `worked()`.

    Attributes:
        name: of the method.
        picks: positions in order, for 3 rows of the worked candidates; None where it draws.
        settings: other than the defaults.
    """

    name: str
    picks: list[int] | None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> Method:
        """As the settings describe it."""
        return METHODS[self.name].of(SelectSettings.from_flat({"method": self.name, **self.settings}).flat())


def worked() -> Candidates:
    """Five rows of two dimensions: long, its copy at half the length, across, against the first, nothing."""
    vectors = np.array([[4, 0], [2, 0], [0, 1], [-3, 0.1], [0, 0]], np.float32)
    rows, supervised = np.array([3, 5, 6, 8, 9]), np.array([10, 40, 20, 40, 30])
    block = FeatureBlock(
        rows=rows,
        columns={
            "loss": np.ones(5),
            "norm": np.linalg.norm(vectors, axis=1).astype(np.float64),
            "tokens": supervised + 5,
            "supervised": supervised,
        },
        finite=np.ones(5, bool),
        features=vectors,
    )
    return Candidates(
        rows=rows,
        tokens=supervised + 5,
        supervised=supervised,
        sources=["a", "a", "b", "b", "b"],
        features={GRADIENTS: block},
        normalise="none",
    )


CASES: tuple[Case, ...] = (
    Case(name="spice", picks=[0, 2, 1], settings={"conflict_weight": 1.0}),  # row 3 adds more than 1, but conflicts
    Case(name="spice", picks=[0, 2, 3], settings={"conflict_weight": 0.0}),
    Case(name="random", picks=None),
    Case(name="top-norm", picks=[0, 3, 1]),
    Case(name="longest", picks=[1, 3, 4]),
)

ids: Callable[[Case], str] = lambda case: case.name  # noqa: E731
