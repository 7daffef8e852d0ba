"""Fisher state and mean gradient carried from pool to pool, instead of starting empty in each.

With F the Fisher information of everything picked so far, a row's gain is log(1 + α g_xᵀ(I + αF)⁻¹g_x). Let L be the
inverse root of I + αF: then log det over the pool's rows *given* F is the plain log det of the whitened rows gL, so
the ordinary greedy run over whitened rows is exact. The penalty looks at the rows as they are, against the mean of all
picks so far. Gradients taken before an optimiser step stay in the state as they were: nothing is computed again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.greedily import allowed
from spice_select.numerics.arrays import Matrix
from spice_select.progress import Progress
from spice_select.selection import Features, LogDet, Penalty, StoppingRule, greedy
from spice_select.selection.paths.blocked.root import InverseRoot
from spice_select.selection.penalties.conflict import ETA, hinge


class SpiceCarried(Method):
    """`Spice` with the state of all earlier pools. Pools must be met in order, each once; see `fresh`.

    Args:
        objective: the information; log det alone can be carried exactly.
        weight: λ of the conflict penalty; 0 for none.
        stop: rules that may end a pool early, judged against the first gain of that pool.
        eta: guard in the cosine's denominator.
        price: γ of the score / tokensᵞ that rows are compared by; see `allowed`.

    Cost: per pool O(m·d·min(t, d)) for whitening and O(k·d²) to absorb the picks, t the picks so far; memory d².
    """

    name: ClassVar[str] = "spice"
    summary: ClassVar[str] = "as spice, its state carried from pool to pool"
    source: ClassVar[str] = "arXiv 2601.23155"

    def __init__(
        self,
        objective: LogDet | None = None,
        weight: float = 0.1,
        stop: Sequence[StoppingRule] = (),
        eta: float = ETA,
        price: float | None = None,
    ) -> None:
        self._objective = objective or LogDet()
        self._weight, self._eta, self._stop, self._price = weight, eta, stop, price
        self._root: InverseRoot | None = None
        self._sum: Matrix = np.zeros(0)
        self._count = 0
        self._last: tuple[Candidates, Features] | None = None  # the pool seen last, until its picks enter the state

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def fresh(self, whole: Candidates) -> "SpiceCarried":
        """With an empty state: what is carried is carried through one pass over the corpus."""
        return SpiceCarried(self._objective, self._weight, self._stop, self._eta, self._price)

    def seen(self, candidates: Candidates) -> Features:
        """The pool's rows as the state leaves them, float64 ``[m, d]``: their log det is the information added.

        Made once for choosing and judging.
        """
        if self._last is None or self._last[0] is not candidates:
            rows = candidates.matrix
            self._last = candidates, Features(self._opened(rows.d).whiten(rows.dense))
        return self._last[1]

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; the picks enter the state."""
        rows, seen = candidates.matrix.dense, self.seen(candidates)
        penalty = CarriedConflict(rows, self._sum, self._count, weight=self._weight, eta=self._eta)
        options = allowed(candidates, allowance, price=self._price)
        picked = greedy(seen, **options, objective=self._objective, penalty=penalty, stop=self._stop)
        conflicts = [float(penalty.of(picked.indices[:t], picked.indices[t : t + 1])[0]) for t in range(len(picked))]
        self._absorb(rows[picked.indices], seen.array[picked.indices])
        bases = self._objective.gains(rows, [], picked.indices)
        return Choice.of(replace(picked, bases=bases, conflicts=np.array(conflicts)))

    def _opened(self, d: int) -> InverseRoot:
        if self._root is None:
            self._root, self._sum = InverseRoot(d, self._objective.alpha), np.zeros(d)
        return self._root

    def _absorb(self, rows: Matrix, seen: Matrix) -> None:
        if len(rows):
            self._last = None
            self._opened(rows.shape[1]).absorb(seen)
            self._sum = self._sum + rows.sum(axis=0)
            self._count += len(rows)


@dataclass(frozen=True, eq=False)
class CarriedConflict(Penalty):
    """`Conflict` over rows of its own, with a sum of earlier picks to begin from; blind to the matrix it is asked on.

    Attributes:
        rows: ``[m, d]``, the pool's gradients, row for row those of the matrix that greedy runs on.
        total: ``[d]``, sum of the gradients picked before.
        count: how many these were.
    """

    rows: Matrix
    total: Matrix
    count: int
    weight: float = field(default=0.1, kw_only=True)
    eta: float = field(default=ETA, kw_only=True)

    def of(self, indices: Sequence[int] | NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """The hinge of each candidate against the mean of the earlier picks and `indices`."""
        chosen = np.asarray(indices, dtype=np.int64)
        count = self.count + len(chosen)
        if count == 0:
            return np.zeros(len(candidates))
        mean = (self.total + self.rows[chosen].sum(axis=0)) / count
        X = self.rows[candidates]
        return hinge(X, np.sqrt((X * X).sum(axis=1)), mean, self.eta)

    def values(
        self, features: Matrix, indices: Sequence[int] | NDArray[np.int64], candidates: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """See `Penalty`; `features` is not looked at."""
        return self.of(indices, candidates)

    def state(self, features: Matrix) -> "CarriedState":
        """See `Penalty`."""
        return CarriedState(self)


class CarriedState:
    """The picks of this pool so far."""

    def __init__(self, penalty: CarriedConflict) -> None:
        self._penalty = penalty
        self._picked: list[int] = []

    def values(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """O(|rows|·d)."""
        return self._penalty.of(self._picked, rows)

    def add(self, row: int) -> None:
        """O(1)."""
        self._picked.append(row)
