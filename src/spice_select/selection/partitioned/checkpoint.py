"""A leader's run on disk: the picks and the root after them. Shards need none: their state follows from these."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.selection.paths.blocked.state import PickState


@dataclass(frozen=True, kw_only=True, eq=False)
class LeaderCheckpoint:
    """Rows with gains and weighted penalties, in the order picked; L, its anchor and Σg; what blocks had learned.

    `request`: float64, what must be the same in the run that goes on.
    """

    request: NDArray[np.float64]
    rows: NDArray[np.int64]
    gains: NDArray[np.float64]
    penalties: NDArray[np.float64]
    root: NDArray[np.float64]
    anchor: NDArray[np.float64]
    total: NDArray[np.float64]
    block: NDArray[np.float64]

    @classmethod
    def of(cls, state: PickState) -> "LeaderCheckpoint":
        """Where a run stands."""
        ledger = state.ledger
        return cls(
            request=_request(state),
            rows=np.array(ledger.rows, dtype=np.int64),
            gains=np.array(ledger.gains),
            penalties=np.array(ledger.penalties),
            root=state.root.whole,
            anchor=np.array(state.root.anchor),
            total=state.total,
            block=np.array([state.size, state.horizon]),
        )

    @classmethod
    def read(cls, path: Path) -> "LeaderCheckpoint":
        """The checkpoint of that file."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(**{name: kept[name] for name in kept.files})

    def write(self, path: Path) -> None:
        """All or nothing: a run that is killed here finds the one before."""
        from spice_select.store import atomic  # it loads pyarrow, which who only selects does without

        with atomic(path) as aside, aside.open("wb") as stream:
            np.savez(stream, **asdict(self))

    def enter(self, state: PickState) -> None:
        """Put a state that has no pick yet where this one stood.

        Raises:
            InputError: it is that of another request.
        """
        if not np.array_equal(self.request, _request(state)):
            raise InputError(
                "the checkpoint is that of another request: rows, numbers a row, k, α, λ, η or the rows to begin with "
                "differ. Give another file, or remove this one to begin anew."
            )
        ledger = state.ledger
        for row, gain in zip(self.rows.tolist(), self.gains.tolist(), strict=True):
            ledger.record(row, gain, 0.0)
        ledger.penalties = self.penalties.tolist()
        state.root.restore(self.root, float(self.anchor))
        state.total = self.total.copy()
        state.size, state.horizon = int(self.block[0]), float(self.block[1])


def _request(state: PickState) -> NDArray[np.float64]:
    problem: Any = state.problem
    parts = [problem.features.n, problem.features.d, problem.k, state.alpha, problem.weight, state.eta or 0.0]
    return np.array([*parts, *problem.initial], dtype=np.float64)
