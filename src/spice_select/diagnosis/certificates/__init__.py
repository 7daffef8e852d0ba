"""How far from the best possible a selection can be: a proven upper bound on the information of any k rows."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from spice_select.diagnosis.certificates.claims import Case, Claim, Proven, after_picks
from spice_select.diagnosis.ports import Subset, alpha_of, picked_rows
from spice_select.errors import InputError
from spice_select.numerics.features import read
from spice_select.numerics.proven import rounded_down
from spice_select.numerics.rounding import UNIT64, gamma
from spice_select.selection.constraints import build_constraints
from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.partitioned.passes import SpreadBrackets
from spice_select.selection.relaxation.bounds import tangent_bound
from spice_select.selection.relaxation.brackets import Bracketed
from spice_select.selection.relaxation.constraint import SPARE, Cardinality, Constraint, Knapsack, sum_of_largest
from spice_select.selection.relaxation.factor import Factor, factor_of_set
from spice_select.selection.relaxation.tangents import beginning, improve

_STEPS = 20
_PASSES = 1.6  # nd² float32 operations that improving the weights may take by default,
_LEAST_FLOPS = 5e10  # or this many where that is more: half a second on two cores,
_LEAST_CUBES = 30  # or, where k is d/4 at least and other bounds grow weak, so many d³: a step in the eigenbasis


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """`information` F(S) and `bound` ≥ F(S*), both log det(I+αF) in nats, for any `k` of `n` rows.

    With `max_cost` the bound is for any rows that cost no more together, be they more than the `k` picked or fewer.
    `ratio` is a proven lower bound on F(S)/F(S*), in [0, 1]. `bounds` has every bound computed, `best` the name of
    the smallest; the others hold too, but may be a few per cent larger than they need be, since what cannot become the
    smallest is left as float32 has it. `seconds` is the time this took; `steps` the improving steps that the budget of
    flops allowed.
    """

    information: float
    bound: float
    ratio: float
    bounds: Mapping[str, float]
    best: str
    k: int
    n: int
    steps: int
    seconds: float
    max_cost: float | None = None

    @property
    def sentence(self) -> str:
        """One line for a report; the percentage is rounded down, so that it stays proven."""
        percent = 100 * rounded_down(self.ratio)
        cost = "" if self.max_cost is None else f" within a cost of {self.max_cost:,.10g}"
        return (
            f"provably ≥ {percent:.1f} % of the best possible information for this budget "
            f"({self.k:,} of {self.n:,} rows{cost}; bound {self.best})"
        )

    @property
    def scope(self) -> str:
        """What the sentence does and does not cover."""
        if self.max_cost is None:
            rivals, free = f"any {self.k:,} of these rows", "quota, price, pool or penalty"
        else:
            rivals = f"any of these rows costing no more than {self.max_cost:,.10g} together"
            free = "quota, pool or penalty"
        return (
            f"It bounds the information log det(I + αF) that {rivals} could reach, with no {free} in the way. A "
            "selection made under such constraints, or with λ > 0, gave up information on purpose and is measured "
            "against the same bound. It says nothing about how well a model tuned on the rows will do."
        )


def certificate(
    features: object,
    selection: Subset,
    objective: LogDet,
    *,
    costs: ArrayLike | None = None,
    max_cost: float | None = None,
    steps: int = _STEPS,
    max_flops: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> Certificate:
    """Certify `selection` against the best possible set of the same size, or of no more than the same cost.

    Args:
        features: [n, d] float16/32/64, numpy (memory-mapped too) or torch.
        selection: the picks; only `indices` is read.
        objective: log det, for its α.
        costs: a price for each row, as for `greedy`, where a cost was the budget.
        max_cost: the most to spend then. A number of rows does not bound such a choice: the best one may hold more,
            cheaper rows.
        steps: improving steps of B3/B4 at most (0: only B1, B1c, B2).
        max_flops: float32 operations the improving steps may take (float64 ones count twice); fewer steps are made if
            it binds. By default the most of 1.6 nd², 5·10¹⁰ and, for k ≥ d/4, 30 d³.
        progress: called with a few words before each stage.

    Raises:
        InputError: features, indices or costs that cannot be used, a selection that costs more than `max_cost`, or an
            objective other than log det.

    Cost: two passes of nd² float32 flops (2nd² for the second where k < d), a factorisation of the picks (kd² + 2d³ in
    float64; QR where αΣ‖g‖² is large: 2kd² at a third of the speed), 2d² float64 flops for each row that may be among
    the k that the least bound adds up (few more than k, or all where rows are all but equal), and `max_flops`; nd² more
    in float64 where B1c may be the least, which an eighth of that tells, unless `curvature` has had the same
    `Features`. Memory beyond these: two row tiles, a few d × d matrices, and a float32 copy of the rows that the steps
    are taken over.
    Source: B1-B3 from submodularity and concavity (docs/diagnosis.md has the derivations); B4 after Nikolov 2015.
    """
    started = time.perf_counter()
    checked = read(features)
    picked, alpha = picked_rows(selection, len(checked.array)), alpha_of(objective)
    if steps < 0:
        raise InputError(f"steps is {steps}; 0 or more is needed")
    budget = _budget(picked, len(checked.array), costs, max_cost)
    pool = Case(checked, picked, alpha, budget)
    tell = progress or _silent
    tell("certificate: the information of the picks")
    final = factor_of_set(pool.rows, picked, alpha, pool.norms)
    forms = pool.bracketed(final.matrix)
    tell("certificate: the tangent at the picks, and beyond")
    plan = _affordable(pool, steps, max_flops)
    claims = [_tangent_at_picks(final, forms, budget)]
    if plan.steps:
        tell(f"certificate: {plan.steps} steps towards a tighter bound, over {plan.rows:,} rows")
        claims += _relaxed(pool, forms, plan)
    tell("certificate: bounds by submodularity")
    proven = Proven(budget, _nothing_chosen(pool))
    proven.add(claims)
    proven.add(after_picks(pool, final, forms, proven.best))
    slack = _compaction_slack(checked.array, pool.norms, alpha, max(budget.rows, len(picked)))
    bounds = {name: proven.bounds[name] + slack for name in sorted(proven.bounds)}
    best = min(bounds, key=lambda name: bounds[name])
    least = max(0.0, final.lower() - slack, _faint(pool.norms[picked], alpha))
    return Certificate(
        information=max(0.0, min(final.log_determinant, bounds[best]), least),  # rounding may take it beyond
        bound=bounds[best],
        ratio=min(1.0, least / bounds[best]) if bounds[best] > 0 else 1.0,
        bounds=MappingProxyType(bounds),
        best=best,
        k=len(picked),
        n=len(checked.array),
        steps=plan.steps,
        seconds=time.perf_counter() - started,
        max_cost=None if max_cost is None else float(max_cost),
    )


def _budget(picked: np.ndarray, n: int, costs: ArrayLike | None, max_cost: float | None) -> Constraint:
    """What the selection competes with."""
    if costs is None and max_cost is None:
        return Cardinality(len(picked))
    prices = None if costs is None else np.asarray(costs)
    checked = build_constraints(n, 0, groups=None, quotas=None, excluded=(), costs=prices, max_cost=max_cost)
    if checked.costs is None:
        raise InputError("max_cost without costs: give the cost of each row.")
    spent = float(checked.costs[picked].sum())
    if spent > checked.max_cost * (1 + SPARE):
        raise InputError(
            f"the selection costs {spent:g}, above max_cost={checked.max_cost:g}: it cannot be compared with choices "
            "within that. Give the budget that it was made under."
        )
    return Knapsack(checked.costs, checked.max_cost)


def _silent(stage: str) -> None:
    """Nobody wants to know."""


def _nothing_chosen(pool: Case) -> dict[str, float]:
    """B1 and B1c of the empty set: the sum of the k largest bases."""
    bases = np.log1p(pool.alpha * pool.norms * (1 + gamma(pool.rows.shape[1] + 8, UNIT64)))
    empty = pool.budget.most(bases) * (1 + 1e-12)
    return {"B1": empty, "B1c": empty}


def _tangent_at_picks(final: Factor, forms: Bracketed | SpreadBrackets, budget: Constraint) -> Claim:
    return Claim("B2", forms, _themselves, lambda high: tangent_bound(high, final.matrix, budget))


def _relaxed(pool: Case, forms: Bracketed | SpreadBrackets, plan: "_Plan") -> list[Claim]:
    """B3, and B4 where the rank is known, at the weights that the steps over the most promising rows lead to."""
    start = beginning(pool.picked, pool.budget.rates(forms.high))
    worth = start.copy()
    worth[pool.picked] += 1.0
    rows = _promising(worth, plan.rows)
    found = improve(pool.passes(rows), start[rows], pool.budget.part(rows), plan.steps, plan.rank)
    there = pool.bracketed(found.inverse_root)
    return [Claim(name, there, _themselves, bound) for name, bound in found.bounds(pool.budget).items()]


def _themselves(forms: np.ndarray) -> np.ndarray:
    return forms


def _promising(worth: np.ndarray, count: int) -> np.ndarray:
    if count >= len(worth):
        return np.arange(len(worth))
    return np.sort(np.argpartition(worth, len(worth) - count)[len(worth) - count :])


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Improving steps to make, the rows to make them over, and the rank they take a choice to have."""

    steps: int
    rows: int
    rank: int


def _affordable(pool: Case, steps: int, max_flops: float | None) -> _Plan:
    """Steps over all rows if two of them can be had, else over as many as all steps can afford, but not below `_few`.

    For k < d the rank tells most. Where it is too dear, and k is not far below d, it may be left out.
    """
    (n, d), k = pool.rows.shape, pool.budget.rows
    flops = _usual_flops(n, d, k) if max_flops is None else max_flops
    for rank in [d] if k >= d else [k, d] if 2 * k >= d else [k]:
        # float64 counts twice, and so does a product with all of B
        row = (3 if rank < d else 2) * (2 if pool.steep else 1) * float(d) ** 2
        fixed = (20.0 if rank < d else 4.0) * d**3
        for rows, needed in ((n, min(2, steps)), (_few(pool), 1)):
            allowed = min(steps, int(flops / (row * rows + fixed)))
            if allowed >= max(1, needed):
                return _Plan(steps=allowed, rows=min(n, max(rows, int((flops / allowed - fixed) / row))), rank=rank)
    return _Plan(steps=0, rows=0, rank=d)


def _usual_flops(n: int, d: int, k: int) -> float:
    """What the steps may take unless told otherwise."""
    return max(_LEAST_FLOPS, _PASSES * n * float(d) ** 2, _LEAST_CUBES * float(d) ** 3 if 4 * k >= d else 0.0)


def _few(pool: Case) -> int:
    """A quarter of all rows, and twice those picked: fewer and B fits them alone."""
    n, d = pool.rows.shape
    return min(n, max(n // 4, 2 * len(pool.picked), 3 * d))


def _faint(norms: np.ndarray, alpha: float) -> float:
    """A lower bound tr − tr²/2, tr = αΣ‖g‖²: all that is left of F(S) in float64 where α‖g‖² is near nothing."""
    trace = alpha * float(norms.sum()) * (1 - 1e-12)
    return trace * (1 - trace / 2) if trace < 1 else 0.0


def _compaction_slack(original: np.ndarray, norms: np.ndarray, alpha: float, k: int) -> float:
    """What the QR that shortened the rows can have changed in log det: 2k times its relative error, both ways."""
    n, d = original.shape
    if n >= d:
        return 0.0
    return 2 * k * gamma(n * d, UNIT64) * math.sqrt(alpha * sum_of_largest(norms, k))
