"""A leader's run on disk: the picks and the root after them. Shards need none: their state follows from these."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.selection.partitioned.spread import SpreadFeatures
from spice_select.selection.paths.blocked.state import PickState
from spice_select.selection.paths.ledger import Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class LeaderCheckpoint:
    """Rows with gains and weighted penalties, in the order picked; L, its anchor and Σg; what blocks had learned.

    `request`: text ``[]``, see `request_of`; it must be the same in the run that goes on.
    """

    request: NDArray[np.str_]
    rows: NDArray[np.int64]
    gains: NDArray[np.float64]
    penalties: NDArray[np.float64]
    root: NDArray[np.float64]
    anchor: NDArray[np.float64]
    total: NDArray[np.float64]
    block: NDArray[np.float64]

    @classmethod
    def of(cls, state: PickState, request: str) -> "LeaderCheckpoint":
        """Where a run stands."""
        ledger = state.ledger
        return cls(
            request=np.array(request),
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
        """The checkpoint of that file. Raises InputError where it is damaged."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                return cls(**{name: kept[name] for name in kept.files})
        except (BadZipFile, EOFError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: no whole checkpoint of a leader ({error or type(error).__name__}). Remove it to begin anew."
            ) from error

    def write(self, path: Path) -> None:
        """All or nothing: a run that is killed here finds the one before."""
        from spice_select.store import atomic  # it loads pyarrow, which who only selects does without

        with atomic(path) as aside, aside.open("wb") as stream:
            np.savez(stream, **asdict(self))

    def enter(self, state: PickState, request: str) -> None:
        """Put a state that has no pick yet where this one stood.

        Raises:
            InputError: it is that of another request.
        """
        if str(self.request) != request:
            raise InputError(
                "the checkpoint is that of another request: the rows or what they hold, k, α, λ, η, the rows to begin "
                "with or to leave out, groups, quotas, costs or stopping rules differ. Give another file, or remove "
                "this one to begin anew."
            )
        ledger = state.ledger
        for row, gain in zip(self.rows.tolist(), self.gains.tolist(), strict=True):
            ledger.record(row, gain, 0.0)
        ledger.penalties = self.penalties.tolist()
        state.root.restore(self.root, float(self.anchor))
        state.total = self.total.copy()
        state.size, state.horizon = int(self.block[0]), float(self.block[1])


def request_of(problem: Problem, features: SpreadFeatures) -> str:
    """SHA-256 of all that decides the picks, whatever shards the rows lie on. One pass over the rows."""
    asked, digest = problem.constraints, hashlib.sha256()
    digest.update(repr((features.n, features.d, problem.k, problem.objective, problem.penalty, problem.stop)).encode())
    digest.update(repr((problem.initial, problem.per_cost, asked.names, asked.quotas, asked.cost_quotas)).encode())
    digest.update(repr(asked.max_cost).encode())
    for array in (asked.groups, asked.excluded, asked.costs, features.hashes):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
