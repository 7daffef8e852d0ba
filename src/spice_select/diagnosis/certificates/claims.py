"""Bounds as claims that are settled only as far as it takes to know the least of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spice_select.numerics.features import Features
from spice_select.numerics.rounding import UNIT64
from spice_select.selection.partitioned.passes import SpreadBrackets, passes_over
from spice_select.selection.partitioned.spread import SpreadRows
from spice_select.selection.relaxation.bounds import credited_bound, credits_of, union_bound
from spice_select.selection.relaxation.brackets import Bracketed
from spice_select.selection.relaxation.constraint import Constraint
from spice_select.selection.relaxation.factor import STEEP, Factor, Forms, factor_of_all, quadratic_forms
from spice_select.selection.relaxation.passes import LocalPasses, Passes
from spice_select.selection.relaxation.tangents import tangent

_EVERY = 8  # one row of so many tells what credits are at most, before all rows are asked


@dataclass(frozen=True, eq=False)
class Claim:
    """A bound on F(S*) that rests on α‖Bg‖² of the rows.

    `values` maps these to what the budget adds up the most of, `bound` to the bound itself; both grow with each of
    them. So `bound(forms.high)` is a true bound, and no settling brings it below `bound(forms.low)`.
    """

    name: str
    forms: Bracketed | SpreadBrackets
    values: Callable[[np.ndarray], np.ndarray]
    bound: Callable[[np.ndarray], float]

    @property
    def floor(self) -> float:
        """What it cannot come below."""
        return self.bound(self.forms.low)

    def settled(self, budget: Constraint) -> float:
        """The bound as it is when all rows are known in float64: those outside the most that a choice can hold do
        not matter.
        """
        self.forms.settle(budget.contenders(self.values(self.forms.low), self.values(self.forms.high)))
        return self.bound(self.forms.high)


class Proven:
    """The least bound found under each name. Only what may be the least of all is settled; the rest is true, but by
    the rounding of float32 larger than it need be.
    """

    def __init__(self, budget: Constraint, bounds: dict[str, float]) -> None:
        self._budget, self.bounds = budget, bounds

    @property
    def best(self) -> float:
        """The least bound."""
        return min(self.bounds.values())

    def add(self, claims: Iterable[Claim]) -> None:
        """Settle those that may be below the best, the most promising first."""
        for claim in sorted(claims, key=lambda claim: claim.floor):
            value = claim.settled(self._budget) if claim.floor < self.best else claim.bound(claim.forms.high)
            self.bounds[claim.name] = min(value, self.bounds.get(claim.name, np.inf))


class Case:
    """What every bound is about: `rows` float [n, d], compact, with `norms` ‖g‖²; those `picked`; α and the budget."""

    def __init__(self, checked: Features, picked: np.ndarray, alpha: float, budget: Constraint) -> None:
        self.rows, self.norms = checked.compacted, checked.squares
        self.picked, self.alpha, self.budget = picked, alpha, budget
        self._checked = checked

    @property
    def steep(self) -> bool:
        """Whether float32 is too coarse for sums of g gᵀ over a choice."""
        return self.alpha * self.budget.most(self.norms) > STEEP

    def passes(self, rows: np.ndarray) -> Passes:
        """Those over some rows, in float32 where that is precise enough to search with."""
        if isinstance(self.rows, SpreadRows):
            return passes_over(self.rows.features, rows, self.alpha, single=not self.steep)
        return LocalPasses(self.rows, rows, self.alpha, single=not self.steep)

    def bracketed(self, inverse_root: np.ndarray) -> Bracketed | SpreadBrackets:
        """α‖Bg‖² of all rows."""
        if isinstance(self.rows, SpreadRows):
            return SpreadBrackets(self.rows.features, inverse_root, self.alpha)
        return Bracketed(self.rows, inverse_root, self.alpha, self.norms)

    @cached_property
    def credits(self) -> np.ndarray:
        """At most what each pick adds to all the other rows: one factorisation over these, unless one is kept."""
        factor = factor_of_all(self._checked, self.alpha)
        return credits_of(factor, self.forms_of(factor, self.picked))

    @property
    def credits_are_free(self) -> bool:
        """Whether that factorisation is there."""
        return self.alpha in self._checked.kept

    def forms_of(self, factor: Factor, rows: np.ndarray) -> Forms:
        """α‖Bg‖² of some rows, float64 [len(rows)]."""
        return quadratic_forms(self.rows, factor.matrix, self.alpha, self.norms[rows], rows)


def after_picks(pool: Case, final: Factor, forms: Bracketed | SpreadBrackets, best: float) -> list[Claim]:
    """B1 and B1c at the picks; without credits, and so equal, where no credits could bring B1c below `best`."""
    worth = pool.credits_are_free or all(
        credited_bound(final.lower(), np.log1p(forms.low), pool.picked, credits, pool.budget) < best
        for credits in _credits_at_most(pool, final, forms)
    )
    return _after(pool, final, forms, pool.credits if worth else np.zeros(len(pool.picked)))


def _after(pool: Case, factor: Factor, forms: Bracketed | SpreadBrackets, credits: np.ndarray) -> list[Claim]:
    """I+αF_S ⪯ (1+η)(BᵀB)⁻¹ =: M, so F(S∪X) ≤ log det M + Σ_X log(1+α‖Bg‖²): both terms are bounds from above."""
    rows, inside = pool.picked, np.zeros(len(pool.rows), dtype=bool)
    inside[rows] = True

    def outside(forms: np.ndarray) -> np.ndarray:
        return np.where(inside, 0.0, np.log1p(forms))

    def repaid(forms: np.ndarray) -> np.ndarray:
        worth = np.log1p(forms)
        worth[rows] = credits
        return worth

    def plain(forms: np.ndarray) -> float:
        return union_bound(factor.upper(), np.log1p(forms), inside, pool.budget)

    def credited(forms: np.ndarray) -> float:
        return credited_bound(factor.upper(), np.log1p(forms), rows, credits, pool.budget)

    return [Claim("B1", forms, outside, plain), Claim("B1c", forms, repaid, credited)]


def _credits_at_most(pool: Case, final: Factor, forms: Bracketed | SpreadBrackets) -> Iterator[np.ndarray]:
    """Δ_i(R∖i) ≥ Δ_i(V∖i) of each pick, R the picks S alone; then, as good as rounding has it, with some other rows.

    From leverages α g_iᵀ(I+αF_R)⁻¹g_i, which for S are α‖Bg_i‖²/(1−η) at most.
    """
    if final.distortion < 1:
        yield _given_back(forms.high[pool.picked] / (1 - final.distortion))
    some = np.union1d(pool.picked, np.arange(0, len(pool.rows), _EVERY))
    root = tangent(pool.passes(some), np.ones(len(some)), pool.rows.shape[1]).inverse_root
    yield _given_back(pool.passes(pool.picked).squares(root))


def _given_back(leverages: np.ndarray) -> np.ndarray:
    return -np.log1p(-np.minimum(leverages, 1 - UNIT64))
